import { useEffect, useRef, useState } from 'preact/hooks'
import type { KeyState } from '../src/api.ts'
import { tick } from '../src/clock.ts'
import { formatAgo, formatDate, formatDateTime, formatDecimal, formatPercent, t } from '../src/i18n.ts'
import { numericText, prettyJson } from '../src/json-text.ts'
import { fractionDigits } from './price-chart.tsx'
import type { Point, WatchedKey } from './watched-key.ts'

interface CurrentValueProps {
  keyName: string
  state: KeyState
  json: string
  watched: WatchedKey
}

export function CurrentValue({ keyName, state, json, watched }: CurrentValueProps) {
  const stale = watched.connection.value.name !== 'live' && watched.connection.value.name !== 'connecting'
  const movement = movementOf(watched.points.value, state.revision)
  return (
    <section class={`card current ${stale ? 'stale' : ''}`} aria-label={t('viewer.value', { key: keyName })}>
      {/* A new node per revision restarts the flash. */}
      <div key={state.revision} class={`value-line ${movement?.direction ?? ''}`}>
        <Value json={json} />
      </div>
      {movement && <Movement movement={movement} />}
      <When state={state} />
      {stale && <p class="stale-note">{t('viewer.lastKnown')}</p>}
      <Announcement text={`${keyName}: ${valueTitle(state) ?? ''}`} />
    </section>
  )
}

function Value({ json }: { json: string }) {
  const number = numericText(json)
  if (number !== undefined) {
    const text = formatDecimal(number)
    return (
      <data class={`value number ${sizeOf(text)}`} value={number} data-value={json}>
        {text}
      </data>
    )
  }
  if (json.startsWith('"')) {
    const text: string = JSON.parse(json)
    return (
      <p class={`value text ${sizeOf(text)}`} data-value={json} dir="auto">
        {text === '' ? '""' : text}
      </p>
    )
  }
  if (json.startsWith('{') || json.startsWith('[')) {
    return (
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
      <pre class="value json" data-value={json} tabIndex={0}>
        {prettyJson(json)}
      </pre>
    )
  }
  return (
    <p class="value word" data-value={json}>
      {json}
    </p>
  )
}

function sizeOf(text: string): string {
  return text.length > 60 ? 'longest' : text.length > 20 ? 'longer' : text.length > 11 ? 'long' : ''
}

interface MovementOf {
  direction: 'up' | 'down' | 'same'
  difference: string
  ratio: number
}

/** From the number before to the one shown; undefined if the value shown is not the last number. */
function movementOf(points: Point[], revision: number): MovementOf | undefined {
  const last = points.at(-1)
  const before = points.at(-2)
  if (!last || !before || last.revision !== revision) return undefined
  const digits = Math.min(12, Math.max(fractionDigits(last.text), fractionDigits(before.text)))
  const difference = Number(last.text) - Number(before.text)
  const direction = difference > 0 ? 'up' : difference < 0 ? 'down' : 'same'
  const ratio = difference / Math.abs(Number(before.text))
  return { direction, difference: Math.abs(difference).toFixed(digits), ratio }
}

function Movement({ movement }: { movement: MovementOf }) {
  const { direction, difference, ratio } = movement
  const sign = direction === 'up' ? '+' : '−'
  const percent = Number.isFinite(ratio) ? ` (${sign}${formatPercent(Math.abs(ratio))})` : ''
  const change = `${sign}${formatDecimal(difference)}${percent}`
  return (
    <p class={`movement ${direction}`} data-direction={direction}>
      <span aria-hidden="true">
        {direction === 'same' ? '＝' : `${direction === 'up' ? '▲' : '▼'} ${change}`}
      </span>
      <span class={direction === 'same' ? '' : 'unseen'}>
        {t(`viewer.${direction}`, { change: `${formatDecimal(difference)}${percent}` })}
      </span>
    </p>
  )
}

function When({ state }: { state: KeyState }) {
  tick.value
  return (
    <p class="when">
      {Number.isFinite(state.at) && (
        <time dateTime={new Date(state.at).toISOString()} title={formatDateTime(state.at)}>
          {t('viewer.changed', { ago: formatAgo(state.at) })}
        </time>
      )}
      {Number.isFinite(state.time) && state.time !== state.at && (
        <time dateTime={new Date(state.time).toISOString()}>
          {t('viewer.dated', { date: formatDate(state.time) })}
        </time>
      )}
      <span>{t('viewer.revision', { revision: state.revision })}</span>
    </p>
  )
}

const ANNOUNCE_EVERY_MS = 10_000

/** For screen readers: the newest value, but not every one of a fast stream. */
function Announcement({ text }: { text: string }) {
  const [said, say] = useState('')
  const latest = useRef(text)
  latest.current = text
  useEffect(() => {
    const timer = setInterval(() => say(latest.current), ANNOUNCE_EVERY_MS)
    return () => clearInterval(timer)
  }, [])
  return (
    <span class="unseen" aria-live="polite">
      {said}
    </span>
  )
}

/** One short line, for the title of the window. */
export function valueTitle(state: KeyState): string | undefined {
  if (state.json === null) return undefined
  const number = numericText(state.json)
  if (number !== undefined) return formatDecimal(number)
  const text = state.json.startsWith('"') ? (JSON.parse(state.json) as string) : state.json
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}
