import { signal } from '@preact/signals'
import { formatAgo, formatDateTime, t } from './i18n.ts'
import type { MessageKey } from './messages-en.ts'

const tick = signal(0)

setInterval(() => {
  tick.value++
}, 1000)

/** How long ago something was, counting on by the second; `message` says what, around its {ago}. */
export function Ago({ at, message }: { at: number; message?: MessageKey }) {
  tick.value
  const ago = formatAgo(at)
  return (
    <time dateTime={new Date(at).toISOString()} title={formatDateTime(at)}>
      {message ? t(message, { ago }) : ago}
    </time>
  )
}
