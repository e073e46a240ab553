/**
 * Parts of a JSON text as they are written in it. `JSON.parse` would turn `18.930` into `18.93`.
 * All expect a text that is valid JSON: parse it first.
 */

/** The members of an object, each as its own text; of a repeated name the last. */
export function rawFields(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  let at = afterSpace(text, 0)
  if (text[at] !== '{') return fields
  at = afterSpace(text, at + 1)
  while (text[at] === '"') {
    const nameEnd = stringEnd(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    const start = afterSpace(text, afterSpace(text, nameEnd) + 1)
    const end = valueEnd(text, start)
    fields.set(name, text.slice(start, end))
    at = afterSpace(text, end)
    if (text[at] === ',') at = afterSpace(text, at + 1)
  }
  return fields
}

export function afterSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && text.charCodeAt(at) <= 32) at++
  return at
}

export function stringEnd(text: string, start: number): number {
  let at = start + 1
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote === -1) return text.length
    let before = quote - 1
    while (text[before] === '\\') before--
    if ((quote - before) % 2 === 1) return quote + 1
    at = quote + 1
  }
}

export function valueEnd(text: string, start: number): number {
  const first = text[start]
  if (first === '"') return stringEnd(text, start)
  let at = start
  if (first !== '{' && first !== '[') {
    while (at < text.length && !endsToken(text.charCodeAt(at))) at++
    return at
  }
  let depth = 0
  while (at < text.length) {
    const char = text[at]
    if (char === '"') {
      at = stringEnd(text, at)
      continue
    }
    at++
    if (char === '{' || char === '[') depth++
    else if ((char === '}' || char === ']') && --depth === 0) return at
  }
  return at
}

/** White space, a comma, a closing bracket or brace. */
function endsToken(code: number): boolean {
  return code <= 32 || code === 44 || code === 93 || code === 125
}

/** The same JSON on one line. Line breaks can only stand between its tokens: inside strings they are escaped. */
export function oneLine(json: string): string {
  return json.replace(/[\r\n]+/g, ' ')
}
