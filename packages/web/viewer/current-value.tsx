import { exactNumbers } from '@livekv/client'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Ago } from '../src/ago.tsx'
import { formatDate, formatDecimal, formatPercent, t } from '../src/i18n.ts'
import { connection } from '../src/live.ts'
import { numericText } from '../src/numeric-text.ts'
import { fractionDigits } from './price-chart.tsx'
import type { KeyState } from './watched-key.ts'

interface CurrentValueProps {
  keyName: string
  state: KeyState
  json: string
  before: KeyState | undefined
}

export function CurrentValue({ keyName, state, json, before }: CurrentValueProps) {
  const stale = connection.value.name !== 'live'
  const movement = movementOf(json, before?.json)
  return (
    <section class={`card current ${stale ? 'stale' : ''}`} aria-label={t('viewer.value', { key: keyName })}>
      {/* A new node per revision restarts the flash. */}
      <div key={state.revision} class={`value-line ${movement?.direction ?? ''}`}>
        <Value json={json} />
      </div>
      {movement && <Movement movement={movement} />}
      <When state={state} />
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
        {JSON.stringify(exactNumbers.parse(json), null, 2)}
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

/** From the value before to the one shown; undefined if they are not both numbers. */
function movementOf(json: string, before: string | null | undefined): MovementOf | undefined {
  const [to, from] = [json, before ?? ''].map(numericText)
  if (to === undefined || from === undefined) return undefined
  const digits = Math.min(12, Math.max(fractionDigits(to), fractionDigits(from)))
  const difference = Number(to) - Number(from)
  const direction = difference > 0 ? 'up' : difference < 0 ? 'down' : 'same'
  const ratio = difference / Math.abs(Number(from))
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
  return (
    <p class="when">
      {Number.isFinite(state.at) && <Ago message="viewer.changed" at={state.at} />}
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
