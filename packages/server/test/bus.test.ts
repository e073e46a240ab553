import { MemoryBus } from '../src/bus/memory.ts'
import { busContract } from './contract/bus.ts'

busContract('memory', async () => {
  const bus = new MemoryBus()
  return { first: bus, second: bus, close: () => bus.close() }
})
