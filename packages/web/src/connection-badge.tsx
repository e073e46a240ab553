import { formatMoment, t } from './i18n.ts'
import { connection } from './live.ts'

/** `shown`: what the page goes on showing while the server is not reached. */
export function ConnectionBadge({ shown }: { shown: 'value' | 'values' | 'nothing' }) {
  const { name, since, reason } = connection.value
  return (
    <p class={`connection ${name}`} role="status" data-connection={name} data-since={since} title={reason}>
      <span class="dot" aria-hidden="true" />
      {name === 'offline'
        ? t(`connection.offline.${shown}`, { time: formatMoment(since) })
        : t(`connection.${name}`)}
    </p>
  )
}
