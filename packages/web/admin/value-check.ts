import { t } from '../src/i18n.ts'

export type ValueCheck = { json: string; type: string } | { problem: string; asText?: string }

/** Whether what somebody typed can be stored as JSON, and if not, what to do. */
export function checkValue(typed: string): ValueCheck {
  const json = typed.trim()
  if (json === '') return { problem: t('form.valueRequired') }
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return { problem: t('form.invalidJson'), asText: JSON.stringify(typed.trim()) }
  }
  if (!isStorable(value)) return { problem: t('form.notFinite'), asText: JSON.stringify(json) }
  return { json, type: t(`type.${typeOf(value)}`) }
}

export function checkKey(key: string): string | undefined {
  if (key === '') return t('form.keyRequired')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[\u0000-\u001f\u007f]/.test(key)) return t('form.keyControl')
  const bytes = new TextEncoder().encode(key).length
  if (bytes > MAX_KEY_BYTES) return t('form.keyTooLong', { bytes, max: MAX_KEY_BYTES })
  return undefined
}

const MAX_KEY_BYTES = 512

function typeOf(value: unknown): 'null' | 'array' | 'object' | 'string' | 'number' | 'boolean' {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value as 'object' | 'string' | 'number' | 'boolean'
}

/** `1e400` is JSON, but no number that can be stored. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'object' || value === null || Object.values(value).every(isStorable)
}
