/** A decimal as `digits × 10^-scale`. */
function parse(text: string): { digits: bigint; scale: number } {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)
  if (!match) throw new Error(`not a decimal: ${text}`)
  const [, sign, whole, fraction = '', exponent = '0'] = match
  const scale = fraction.length - Number(exponent)
  const digits = BigInt(`${sign}${whole}${fraction}`)
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale }
}

/** The exact sum, without exponent and without trailing zeros behind the point. */
export function addDecimals(a: string, b: string): string {
  const [x, y] = [parse(a), parse(b)]
  const scale = Math.max(x.scale, y.scale)
  const sum = x.digits * 10n ** BigInt(scale - x.scale) + y.digits * 10n ** BigInt(scale - y.scale)
  const sign = sum < 0n ? '-' : ''
  const digits = (sum < 0n ? -sum : sum).toString().padStart(scale + 1, '0')
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  return sign + digits.slice(0, digits.length - scale) + (scale > 0 && fraction ? `.${fraction}` : '')
}

/** One text for one number: `1.50`, `15e-1` and `1.5` are the same. */
export function canonicalDecimal(text: string): string {
  return addDecimals(text, '0')
}

export function isFiniteNumber(text: string): boolean {
  return Number.isFinite(Number(text))
}
