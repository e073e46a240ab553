import { shown } from './failure.ts'

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/
const GROUPED = /^[+-]?(\d{1,3}(,\d{3})+(\.\d*)?|\d+,\d+)$/
const HALF_WRITTEN = /^(\+\d[\d.]*|[+-]?\.\d+|[+-]?\d+\.)$/

/**
 * The JSON text for a cell of a CSV file: a number with the digits as they are written, anything else a string.
 * What is most likely a number in a form JSON does not have is refused, so that it does not turn into text unnoticed.
 */
export function cellToJson(cell: string, asStrings: boolean): string {
  if (asStrings) return JSON.stringify(cell)
  const text = cell.trim()
  if (text === '') throw new Error('the value is empty; fill it in, or import empty text with --strings')
  if (JSON_NUMBER.test(text)) {
    if (!Number.isFinite(Number(text)))
      throw new Error(`the number ${shown(text)} is beyond what a double holds; import it with --strings`)
    return text
  }
  if (GROUPED.test(text))
    throw new Error(
      `the value ${shown(text)} has a comma in a number; write it as ${text.replace(/,(?=\d{3})/g, '').replace(',', '.')}, or import text with --strings`,
    )
  if (HALF_WRITTEN.test(text))
    throw new Error(
      `the value ${shown(text)} is not a JSON number; give it digits on both sides of the point and no plus sign, or import text with --strings`,
    )
  return JSON.stringify(cell)
}
