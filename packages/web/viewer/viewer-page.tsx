import { CommandLine } from '../src/command-line.tsx'
import { describeError, t } from '../src/i18n.ts'
import { curlLine } from '../src/links.ts'
import { CurrentValue } from './current-value.tsx'
import { PriceChart } from './price-chart.tsx'
import type { WatchedKey } from './watched-key.ts'

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
      <h1 class="key" dir="auto">
        {keyName}
      </h1>
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
      {state !== undefined && state.json === null && (
        <Absent keyName={keyName} wasThere={state.revision > 0} />
      )}
      {state !== undefined && state.json !== null && (
        <CurrentValue keyName={keyName} state={state} json={state.json} watched={watched} />
      )}
      {watched.historyError.value !== undefined && (
        <p class="quiet">
          {t('viewer.historyFailed', { reason: describeError(watched.historyError.value) })}
        </p>
      )}
      {points.length >= 2 && <PriceChart points={watched.points} />}
      {points.length === 1 && state?.json && <p class="quiet">{t('viewer.chartWaiting')}</p>}
    </>
  )
}

function Absent({ keyName, wasThere }: { keyName: string; wasThere: boolean }) {
  return (
    <div class="card absent" data-absent={wasThere ? 'deleted' : 'never'}>
      <h2>{t(wasThere ? 'viewer.deleted' : 'viewer.absent')}</h2>
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
