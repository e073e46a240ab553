/** A value from outside as it stands in a message: quoted, cut, without line breaks. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
