const DECIMAL = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

/** The decimal text of a numeric value (a JSON number, or a string that is a decimal number), else undefined. */
export function numericText(json: string): string | undefined {
  const text = json.startsWith('"') ? (JSON.parse(json) as string).trim() : json
  return DECIMAL.test(text) && Number.isFinite(Number(text)) ? text : undefined
}
