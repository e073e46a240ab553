/** One change to write, its value as JSON text. */
export type ImportWrite = { key: string; timeMs: number | undefined } & (
  | { op: 'put'; json: string }
  | { op: 'delete' }
)

/** What one record of a file stands for, or what is wrong with it. `line` is where the record ends, from 1. */
export type ImportRow = { line: number; writes: ImportWrite[] } | { line: number; problem: string }

/** How the columns of a CSV file become keys, values and times. */
export interface CsvMapping {
  key: { name: string } | { column: string }
  keyPrefix: string
  /** One: the value of the key itself. Several: each the value of `KEY.column`. */
  valueColumns: string[]
  isSplit: boolean
  timeColumn: string | undefined
  timeFormat: 'auto' | 's' | 'ms'
  asStrings: boolean
}
