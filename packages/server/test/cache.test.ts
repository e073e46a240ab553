import { MemoryCache } from '../src/cache/memory.ts'
import { cacheContract } from './contract/cache.ts'

cacheContract('MemoryCache', { open: async () => new MemoryCache({ maxBytes: 2 ** 24 }) })
