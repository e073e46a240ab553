import type { ComponentChildren } from 'preact'
import { language, t } from './i18n.ts'
import { THEMES, theme } from './theme.ts'
import './styles.css'

/** Without it the client cannot keep a number as it was written. */
const ROUNDS_NUMBERS = !('rawJSON' in JSON)

interface PageFrameProps {
  page: 'admin' | 'viewer'
  badge?: ComponentChildren
  children: ComponentChildren
}

export function PageFrame({ page, badge, children }: PageFrameProps) {
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
      {badge}
      <main class={page}>
        {ROUNDS_NUMBERS && <p class="notice">{t('app.rounds')}</p>}
        {children}
      </main>
    </>
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
