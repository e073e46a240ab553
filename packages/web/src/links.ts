/** A browser rewrites `.` and `..` as whole segments, encoded or not: those go in the query. */
export function viewerPath(key: string): string {
  const encoded = encodeURIComponent(key)
  return key === '.' || key === '..' ? `/viewer/?key=${encoded}` : `/viewer/${encoded}`
}

/** The key that a viewer's address names, or undefined. */
export function keyOfAddress(address: { pathname: string; search: string }): string | undefined {
  const named = new URLSearchParams(address.search).get('key')
  if (named) return named
  const path = address.pathname.replace(/^\/viewer\/?/, '')
  try {
    return decodeURIComponent(path) || undefined
  } catch {
    return path // a lone % that somebody typed is part of the key
  }
}

/** A shell line that writes `json` to `key`. */
export function curlLine(key: string, json: string): string {
  const body = `{"key":${JSON.stringify(key)},"value":${json}}`.replaceAll("'", "'\\''")
  return `curl ${location.origin}/add -H 'content-type: application/json' -d '${body}'`
}
