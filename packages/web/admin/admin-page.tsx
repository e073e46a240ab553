import { useSignal } from '@preact/signals'
import { CommandLine } from '../src/command-line.tsx'
import { describeError, formatCount, t } from '../src/i18n.ts'
import { curlLine } from '../src/links.ts'
import { DeleteDialog } from './delete-dialog.tsx'
import { EntryDialog } from './entry-dialog.tsx'
import { KeyTable } from './key-table.tsx'
import type { LiveEntries } from './live-entries.ts'

type Task = { name: 'add' } | { name: 'edit' | 'delete'; key: string }

export function AdminPage({ entries }: { entries: LiveEntries }) {
  const search = useSignal('')
  const task = useSignal<Task | undefined>(undefined)
  const done = useSignal('')
  entries.version.value

  const total = entries.size()
  const keys = entries.matching(search.value)
  const loaded = entries.loaded.value
  const add = () => {
    task.value = { name: 'add' }
  }
  const close = (message?: string) => {
    task.value = undefined
    if (message) done.value = message
  }

  return (
    <>
      <div class="heading">
        <h1>{t('admin.heading')}</h1>
        {loaded && (
          <p class="quiet" role="status" data-count={total}>
            {countText(total, keys.length, search.value, entries.truncated.value)}
          </p>
        )}
      </div>
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
          <button type="button" class="primary" onClick={add}>
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
          onEdit={(key) => {
            task.value = { name: 'edit', key }
          }}
          onDelete={(key) => {
            task.value = { name: 'delete', key }
          }}
        />
      )}
      <p class="done" role="status">
        {done.value}
      </p>
      {task.value?.name === 'add' && <EntryDialog entries={entries} onClose={close} />}
      {task.value?.name === 'edit' && (
        <EntryDialog entries={entries} keyName={task.value.key} onClose={close} />
      )}
      {task.value?.name === 'delete' && (
        <DeleteDialog entries={entries} keyName={task.value.key} onClose={close} />
      )}
    </>
  )
}

function countText(total: number, matching: number, search: string, truncated: boolean): string {
  const count = formatCount(total)
  if (search) return t('admin.matching', { count: formatCount(matching), total: count })
  if (truncated) return t('admin.truncated', { count })
  return t(total === 1 ? 'admin.count_one' : 'admin.count_other', { count })
}
