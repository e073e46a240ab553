import { expect, test } from 'vitest'
import { ReadPositions } from '../src/bus/read-positions.ts'

const begin = (positions: ReadPositions, topicId: string, earliest: bigint[], latest: bigint[]) => [
  ...positions.begin(topicId, earliest, latest).values(),
]

test('begins at the end, and goes on where it stopped', () => {
  const positions = new ReadPositions()
  expect(begin(positions, 'a', [0n, 0n], [10n, 20n])).toEqual([10n, 20n])
  positions.noteRead(0, 12n)
  expect(begin(positions, 'a', [0n, 0n], [30n, 40n])).toEqual([13n, 20n])
})

test('reads a topic that was made anew, and a partition that was added, from the beginning', () => {
  const positions = new ReadPositions()
  begin(positions, 'a', [0n], [10n])
  expect(begin(positions, 'b', [0n], [7n])).toEqual([0n])
  expect(begin(positions, 'b', [0n, 3n], [9n, 5n])).toEqual([0n, 3n])
})

test('stays within what the topic holds', () => {
  const positions = new ReadPositions()
  begin(positions, 'a', [0n, 0n], [10n, 10n])
  expect(begin(positions, 'a', [15n, 0n], [20n, 4n])).toEqual([15n, 4n])
})

test('goes to the end when it is too far behind', () => {
  const positions = new ReadPositions()
  begin(positions, 'a', [0n, 0n], [0n, 0n])
  expect(begin(positions, 'a', [0n, 0n], [150_000n, 60_000n])).toEqual([150_000n, 60_000n])
  expect(begin(positions, 'a', [0n, 0n], [160_000n, 70_000n])).toEqual([150_000n, 60_000n])
})
