/** The value of a series in what /metrics answers, e.g. of `livekv_sockets{protocol="live"}`. */
export function valueIn(text: string, series: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}
