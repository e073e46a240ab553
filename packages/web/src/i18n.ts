import { LiveKVError } from '@livekv/client'
import { computed, effect } from '@preact/signals'
import { client } from './live.ts'
import { en, type MessageKey } from './messages-en.ts'
import { vi } from './messages-vi.ts'
import { remembered } from './remembered.ts'

const LANGUAGES = ['vi', 'en'] as const
export type Language = (typeof LANGUAGES)[number]

export const language = remembered<Language>('livekv.language', LANGUAGES, () =>
  navigator.language.toLowerCase().startsWith('vi') ? 'vi' : 'en',
)

/** Locale of numbers and times: the browser's own English (en-GB, en-US …) where it fits. */
const locale = computed(() =>
  navigator.language.startsWith(language.value) ? navigator.language : language.value,
)

effect(() => {
  document.documentElement.lang = language.value
})

export function t(key: MessageKey, values: Record<string, string | number> = {}): string {
  const message = language.value === 'vi' ? vi[key] : en[key]
  return message.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

export const formatCount = (count: number): string => new Intl.NumberFormat(locale.value).format(count)

/** A decimal number in the reader's way of writing, with every digit that `text` has. */
export function formatDecimal(text: string): string {
  const digits = /^-?\d+(?:\.(\d+))?$/.exec(text)
  const fraction = digits?.[1]?.length ?? 0
  if (!digits || text.length > 40 || fraction > 20) return text
  const format = new Intl.NumberFormat(locale.value, { minimumFractionDigits: fraction, useGrouping: true })
  // A string is formatted exactly, digit by digit; the type of `format` knows numbers only.
  return format.format(text as unknown as number)
}

export function formatPercent(ratio: number): string {
  return new Intl.NumberFormat(locale.value, { style: 'percent', maximumSignificantDigits: 3 }).format(ratio)
}

/** "3 seconds ago", by the server's clock. */
export function formatAgo(ms: number): string {
  const seconds = Math.max(0, Math.round((client.now() - ms) / 1000))
  if (seconds < 1) return t('time.now')
  const format = new Intl.RelativeTimeFormat(locale.value, { numeric: 'always' })
  if (seconds < 60) return format.format(-seconds, 'second')
  if (seconds < 3600) return format.format(-Math.floor(seconds / 60), 'minute')
  if (seconds < 86_400) return format.format(-Math.floor(seconds / 3600), 'hour')
  if (seconds < 86_400 * 45) return format.format(-Math.floor(seconds / 86_400), 'day')
  return formatDate(ms)
}

export function formatDateTime(ms: number): string {
  return new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'medium' }).format(ms)
}

export function formatClock(ms: number, withSeconds = true): string {
  return new Intl.DateTimeFormat(locale.value, { timeStyle: withSeconds ? 'medium' : 'short' }).format(ms)
}

/** A moment of this device's clock: the time of day, and the date if that is another day. */
export function formatMoment(ms: number): string {
  const isToday = new Date(ms).toDateString() === new Date().toDateString()
  return isToday ? formatClock(ms) : formatDateTime(ms)
}

/** A date of the source is a day in UTC. */
export function formatDate(ms: number): string {
  return new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeZone: 'UTC' }).format(ms)
}

export function describeError(error: unknown): string {
  if (!(error instanceof LiveKVError)) return String(error)
  const key = `error.${error.code}`
  return key in en ? t(key as MessageKey) : error.message
}
