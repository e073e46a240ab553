import { Ago } from '../src/ago.tsx'
import { CommandLine } from '../src/command-line.tsx'
import { describeError, formatMoment, t } from '../src/i18n.ts'
import { curlLine } from '../src/links.ts'
import { CurrentValue } from './current-value.tsx'
import { PriceChart } from './price-chart.tsx'
import type { KeyState, WatchedKey } from './watched-key.ts'

export function ViewerPage({
  keyName,
  watched,
}: {
  keyName: string | undefined
  watched?: WatchedKey | undefined
}) {
  if (keyName === undefined || watched === undefined) return <KeyForm />
  const state = watched.state.value
  const points = watched.points.value
  return (
    <>
      <h1 class={`key ${keyName.length > 60 ? 'long' : ''}`} dir="auto">
        {keyName}
      </h1>
      {watched.resetAt.value !== undefined && (
        <p class="notice" role="status" data-reset>
          {t('viewer.reset', { time: formatMoment(watched.resetAt.value) })}
        </p>
      )}
      {state === undefined && watched.error.value === undefined && (
        <p class="card quiet" role="status">
          {t('viewer.loading')}
        </p>
      )}
      {watched.error.value !== undefined && (
        <div class="card failure" role="alert">
          <h2>{t('viewer.failed')}</h2>
          <p>{describeError(watched.error.value)}</p>
          <button type="button" onClick={watched.retry}>
            {t('admin.retry')}
          </button>
        </div>
      )}
      {state !== undefined && state.json === null && <Absent keyName={keyName} state={state} />}
      {state !== undefined && state.json !== null && (
        <CurrentValue keyName={keyName} state={state} json={state.json} before={watched.before.value} />
      )}
      {watched.historyError.value !== undefined && (
        <p class="notice">
          {t('viewer.historyFailed', { reason: describeError(watched.historyError.value) })}{' '}
          <button type="button" class="small" onClick={watched.retryHistory}>
            {t('admin.retry')}
          </button>
        </p>
      )}
      {points.length >= 2 && <PriceChart points={watched.points} />}
      {points.length === 1 && state?.json && <p class="quiet">{t('viewer.chartWaiting')}</p>}
    </>
  )
}

function Absent({ keyName, state }: { keyName: string; state: KeyState }) {
  const wasThere = state.revision > 0
  return (
    <div class="card absent" data-absent={wasThere ? 'deleted' : 'never'}>
      <h2>{t(wasThere ? 'viewer.deleted' : 'viewer.absent')}</h2>
      {Number.isFinite(state.at) && (
        <p class="quiet">
          <Ago message="viewer.deletedAgo" at={state.at} />
        </p>
      )}
      <p>{t(wasThere ? 'viewer.deletedHelp' : 'viewer.absentHelp')}</p>
      <CommandLine line={curlLine(keyName, '2400.5')} />
    </div>
  )
}

function KeyForm() {
  return (
    <form class="card key-form" action="/viewer/" method="get">
      <h1>{t('viewer.noKey')}</h1>
      <label for="key">{t('viewer.key')}</label>
      <div class="row">
        <input id="key" name="key" required autocomplete="off" autocapitalize="off" spellcheck={false} />
        <button type="submit" class="primary">
          {t('viewer.watch')}
        </button>
      </div>
    </form>
  )
}
