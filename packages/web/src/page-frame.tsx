import type { ReadonlySignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { tick } from './clock.ts'
import { formatAgo, formatClock, language, t } from './i18n.ts'
import type { ConnectionState } from './live-connection.ts'
import { THEMES, theme } from './theme.ts'
import './styles.css'

interface PageFrameProps {
  connection: ReadonlySignal<ConnectionState> | undefined
  page: 'admin' | 'viewer'
  children: ComponentChildren
}

export function PageFrame({ connection, page, children }: PageFrameProps) {
  return (
    <>
      <header class="bar">
        <a class="brand" href="/admin" title={t('app.tagline')}>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M4 18h6l3-9 5 15 3-10 2 4h5" />
          </svg>
          LiveKV
        </a>
        {page === 'viewer' && (
          <nav>
            <a href="/admin">{t('nav.admin')}</a>
          </nav>
        )}
        <div class="switches">
          <LanguageSwitch />
          <ThemeSwitch />
        </div>
      </header>
      {connection && <ConnectionBadge state={connection.value} />}
      <main class={page}>{children}</main>
    </>
  )
}

function ConnectionBadge({ state }: { state: ConnectionState }) {
  if (state.name === 'reconnecting') tick.value
  const text =
    state.name === 'reconnecting'
      ? t('connection.reconnecting', { ago: formatAgo(state.sinceMs, Date.now()) })
      : state.name === 'offline'
        ? t('connection.offline', { time: formatClock(state.sinceMs) })
        : t(`connection.${state.name}`)
  return (
    <p class={`connection ${state.name}`} data-connection={state.name}>
      <span class="dot" aria-hidden="true" />
      <span aria-hidden="true">{text}</span>
      {/* Said once per state, not once per second. */}
      <span class="unseen" role="status">
        {state.name === 'reconnecting' ? t('connection.connecting') : text}
      </span>
    </p>
  )
}

function LanguageSwitch() {
  return (
    <fieldset class="segments">
      <legend class="unseen">{t('switch.language')}</legend>
      {(['vi', 'en'] as const).map((one) => (
        <button
          key={one}
          type="button"
          lang={one}
          title={one === 'vi' ? 'Tiếng Việt' : 'English'}
          aria-label={one === 'vi' ? 'Tiếng Việt' : 'English'}
          aria-pressed={language.value === one}
          onClick={() => {
            language.value = one
          }}
        >
          {one.toUpperCase()}
        </button>
      ))}
    </fieldset>
  )
}

const THEME_ICONS = { system: '◐', light: '☀', dark: '☾' }

function ThemeSwitch() {
  return (
    <label class="theme">
      <span class="unseen">{t('switch.theme')}</span>
      <span aria-hidden="true">{THEME_ICONS[theme.value]}</span>
      <select
        value={theme.value}
        onChange={(event) => {
          theme.value = event.currentTarget.value as (typeof THEMES)[number]
        }}
      >
        {THEMES.map((one) => (
          <option key={one} value={one}>
            {t(`theme.${one}`)}
          </option>
        ))}
      </select>
    </label>
  )
}
