import { type Signal, useSignal } from '@preact/signals'
import { CommandLine } from '../src/command-line.tsx'
import { describeError, formatCount, t } from '../src/i18n.ts'
import { curlLine } from '../src/links.ts'
import { DeleteDialog } from './delete-dialog.tsx'
import type { CloseDialog, OpenWrite } from './dialog-write.ts'
import { EntryDialog } from './entry-dialog.tsx'
import { KeyTable } from './key-table.tsx'
import type { LiveEntries } from './live-entries.ts'

type Task = { name: 'add' } | { name: 'edit' | 'delete'; key: string }

export function AdminPage({ entries }: { entries: LiveEntries }) {
  const search = useSignal('')
  const task = useSignal<Task | undefined>(undefined)
  const done = useSignal('')
  const open = useSignal<readonly OpenWrite[]>([])
  const failures = useSignal<readonly string[]>([])
  entries.version.value

  const total = entries.size()
  const keys = entries.matching(search.value)
  const loaded = entries.loaded.value
  const truncated = entries.truncated.value
  const begin = (next: Task) => {
    done.value = ''
    task.value = next
  }
  const close: CloseDialog = (outcome) => {
    task.value = undefined
    if (outcome === undefined) return
    if ('done' in outcome) done.value = outcome.done
    else void takeOver(outcome.open)
  }
  const takeOver = async (write: OpenWrite) => {
    open.value = [...open.value, write]
    try {
      await write.acknowledged
      done.value = write.done
    } catch (error) {
      const failure = t('admin.writeFailed', { key: write.key, reason: describeError(error) })
      failures.value = [...failures.value, failure]
    }
    open.value = open.value.filter((one) => one !== write)
  }

  return (
    <>
      <div class="heading">
        <h1>{t('admin.heading')}</h1>
        {loaded && (
          <p class="quiet" role="status" data-count={total}>
            {countText(total, keys.length, search.value, truncated)}
          </p>
        )}
        <p class="done" role="status">
          {done.value}
        </p>
      </div>
      <OpenWrites open={open.value} />
      <Failures failures={failures} />
      {entries.error.value !== undefined && (
        <div class="card failure" role="alert">
          <h2>{t('admin.failed')}</h2>
          <p>{describeError(entries.error.value)}</p>
          <button type="button" onClick={entries.reload}>
            {t('admin.retry')}
          </button>
        </div>
      )}
      {!loaded && entries.error.value === undefined && (
        <p class="card quiet" role="status">
          {t('admin.loading')}
        </p>
      )}
      {loaded && (
        <div class="tools">
          <input
            type="search"
            value={search.value}
            placeholder={t('admin.search')}
            aria-label={t('admin.search')}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            onInput={(event) => {
              search.value = event.currentTarget.value
            }}
          />
          <button type="button" class="primary" onClick={() => begin({ name: 'add' })}>
            {t('admin.add')}
          </button>
        </div>
      )}
      {loaded && total === 0 && (
        <div class="card" data-empty>
          <h2>{t('admin.empty')}</h2>
          <p>{t('admin.emptyHelp')}</p>
          <CommandLine line={curlLine('gold', '2400.5')} />
        </div>
      )}
      {loaded && total > 0 && keys.length === 0 && (
        <div class="card">
          <p>{t('admin.noMatch', { search: search.value })}</p>
          {truncated && <p>{t('admin.onlyRecent', { count: formatCount(total) })}</p>}
          <button
            type="button"
            onClick={() => {
              search.value = ''
            }}
          >
            {t('admin.clearSearch')}
          </button>
        </div>
      )}
      {loaded && keys.length > 0 && (
        <KeyTable
          key={search.value}
          entries={entries}
          keys={keys}
          onEdit={(key) => begin({ name: 'edit', key })}
          onDelete={(key) => begin({ name: 'delete', key })}
        />
      )}
      {task.value?.name === 'add' && <EntryDialog entries={entries} onClose={close} />}
      {task.value?.name === 'edit' && (
        <EntryDialog entries={entries} keyName={task.value.key} onClose={close} />
      )}
      {task.value?.name === 'delete' && <DeleteDialog keyName={task.value.key} onClose={close} />}
    </>
  )
}

/** Writes whose dialogs were closed before the server answered. */
function OpenWrites({ open }: { open: readonly OpenWrite[] }) {
  return open.map((write) => (
    <p key={write} class="notice" role="status" data-waiting>
      {t('admin.waiting', { key: write.key })}
    </p>
  ))
}

/** What became of those that failed. */
function Failures({ failures }: { failures: Signal<readonly string[]> }) {
  return failures.value.map((failure) => (
    <div key={failure} class="notice failure" role="alert">
      {failure}
      <button
        type="button"
        class="small"
        onClick={() => {
          failures.value = failures.value.filter((one) => one !== failure)
        }}
      >
        {t('form.close')}
      </button>
    </div>
  ))
}

function countText(total: number, matching: number, search: string, truncated: boolean): string {
  const count = formatCount(total)
  if (search) {
    return t(truncated ? 'admin.matchingRecent' : 'admin.matching', {
      count: formatCount(matching),
      total: count,
    })
  }
  if (truncated) return t('admin.truncated', { count })
  return t(total === 1 ? 'admin.count_one' : 'admin.count_other', { count })
}
