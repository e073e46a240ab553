/** How figures are taken and told: alternating runs of the things compared, medians, a ratio against an aim. */
export interface Line {
  name: string
  /** E.g. `12.3k/s against 15.0k/s`. */
  figures: string
  ratio?: number
  aim: string
  met: boolean | undefined
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

/** Runs each in turn, `rounds` times over; the results of each. */
export async function alternate<Name extends string>(
  subjects: Record<Name, () => Promise<number>>,
  rounds = 5,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(subjects) as Name[]
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>
  for (let round = 0; round < rounds; round++) {
    for (const name of names) results[name].push(await subjects[name]())
  }
  return results
}

/** A rate against a yardstick's: at least `least` of it. */
export function rate(
  name: string,
  ours: readonly number[],
  bare: readonly number[],
  least: number,
  unit = '/s',
): Line {
  const ratio = median(ours) / median(bare)
  const figures = `${thousands(median(ours))}${unit} against ${thousands(median(bare))}${unit}`
  return { name, figures, ratio, aim: `≥ ${least} ×`, met: ratio >= least }
}

/** A cost against a smaller case's: at most `most` of it. */
export function cost(name: string, ours: number, base: number, most: number, unit: string): Line {
  const ratio = ours / base
  return {
    name,
    figures: `${thousands(ours)}${unit} against ${thousands(base)}${unit}`,
    ratio,
    aim: `≤ ${most} ×`,
    met: ratio <= most,
  }
}

export function thousands(value: number): string {
  return value >= 10_000
    ? `${(value / 1_000).toFixed(1)}k`
    : value >= 100
      ? value.toFixed(0)
      : value.toFixed(2)
}

export function table(lines: readonly Line[]): string {
  const rows = lines.map(({ name, figures, ratio, aim, met }) => {
    const verdict = met === undefined ? '' : met ? 'met' : 'not met'
    return `| ${name} | ${figures} | ${ratio === undefined ? '' : ratio.toFixed(2)} | ${aim} | ${verdict} |`
  })
  return ['| what | figures | ratio | aim | |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')
}
