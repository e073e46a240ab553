import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { referenceDocs } from '../../../scripts/reference-docs.ts'

const pages = referenceDocs()

test.each(Object.keys(pages))(
  '%s says what the code says; else run: node scripts/reference-docs.ts',
  (path) => {
    expect(readFileSync(join(import.meta.dirname, '../../..', path), 'utf8')).toBe(pages[path])
  },
)
