/** Index at which text stops being JSON; its length if it only ends too early. For messages, not for speed. */
export function brokenAt(text: string): number {
  const closers: string[] = []
  let at = 0
  const accept = (token: RegExp) => {
    token.lastIndex = at
    if (!token.test(text)) return false
    at = token.lastIndex
    return true
  }
  const space = () => accept(/[ \t\n\r]*/y)
  // Piece by piece: one expression over a string of megabytes would overflow the matcher's stack.
  const string = () => {
    if (!accept(/"/y)) return false
    // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON wants control characters escaped
    while (accept(/[^"\\\u0000-\u001f]+/y) || accept(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y));
    return accept(/"/y)
  }
  const member = () => {
    space()
    if (!string()) return false
    space()
    return accept(/:/y)
  }
  while (true) {
    space()
    if (accept(/\{/y)) {
      space()
      if (!accept(/\}/y)) {
        if (!member()) return at
        closers.push('}')
        continue
      }
    } else if (accept(/\[/y)) {
      space()
      if (!accept(/\]/y)) {
        closers.push(']')
        continue
      }
    } else if (!string() && !accept(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y)) {
      return at
    }
    while (true) {
      space()
      const closer = closers.at(-1)
      if (closer === undefined || text[at] !== closer) break
      closers.pop()
      at++
    }
    if (closers.length === 0 || !accept(/,/y)) return at
    if (closers.at(-1) === '}' && !member()) return at
  }
}
