import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FENCE_RULES } from './fence.rules.ts'
import { READ_RULES } from './reads.rules.ts'
import { REPUBLISH_RULES } from './republish.rules.ts'
import { WATCH_RULES } from './watch.rules.ts'

const SOURCES = ['../../src', '../../../client/src'].map((folder) => join(import.meta.dirname, folder))
const README = join(import.meta.dirname, 'README.md')
const rules = Object.entries({ ...READ_RULES, ...FENCE_RULES, ...WATCH_RULES, ...REPUBLISH_RULES })

/** Names behind `Rule:` or `Rules:` in the comments of the source. */
function namedInSource(): Set<string> {
  const files = SOURCES.flatMap((source) =>
    readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(source, file)),
  )
  // Comments as running text: a list of names may go on in the next line.
  const texts = files.map((file) => readFileSync(file, 'utf8').replace(/\n\s*(?:\*|\/\/|--) /g, ' '))
  const lists = texts.flatMap((text) => [
    ...text.matchAll(/\bRules?: ([a-z]+(?:-[a-z]+)+(?:, [a-z]+(?:-[a-z]+)+)*)/g),
  ])
  return new Set(lists.flatMap(([, names]) => names!.split(', ')))
}

test('every rule of the models is followed somewhere in the source, and every rule named there is one of theirs', () => {
  expect([...namedInSource()].sort()).toEqual(rules.map(([name]) => name).sort())
})

test('the README has every rule as it stands', () => {
  const readme = readFileSync(README, 'utf8')
  for (const [name, sentence] of rules) expect(readme).toContain(`| \`${name}\` | ${sentence} |`)
})
