// biome-ignore-all lint/a11y/noRedundantRoles: `display: grid` takes the table's own roles away on phones
import { useRef, useState } from 'preact/hooks'
import { Ago } from '../src/ago.tsx'
import { formatCount, t } from '../src/i18n.ts'
import { viewerPath } from '../src/links.ts'
import type { LiveEntries } from './live-entries.ts'
import { useEntry } from './use-entry.ts'

const ROWS_PER_PAGE = 50

interface KeyTableProps {
  entries: LiveEntries
  keys: readonly string[]
  onEdit(key: string): void
  onDelete(key: string): void
}

/** A page of rows, whatever the number of keys. */
export function KeyTable({ entries, keys, onEdit, onDelete }: KeyTableProps) {
  const [wantedPage, setPage] = useState(0)
  const page = Math.min(wantedPage, Math.ceil(keys.length / ROWS_PER_PAGE) - 1)
  const from = page * ROWS_PER_PAGE
  const rows = keys.slice(from, from + ROWS_PER_PAGE)

  return (
    <>
      <table class="keys card" role="table">
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">
              {t('admin.columnKey')}
            </th>
            <th role="columnheader" scope="col">
              {t('admin.columnValue')}
            </th>
            <th role="columnheader" scope="col">
              {t('admin.columnChanged')}
            </th>
            <th role="columnheader" scope="col">
              <span class="unseen">{t('admin.columnActions')}</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((key) => (
            <Row
              key={`${entries.generation.value} ${key}`}
              entries={entries}
              name={key}
              onEdit={onEdit}
              onDelete={onDelete}
            />
          ))}
        </tbody>
      </table>
      {keys.length > ROWS_PER_PAGE && (
        <nav class="pages" aria-label={t('admin.pages')}>
          <button type="button" disabled={page === 0} onClick={() => setPage(page - 1)}>
            {t('admin.previous')}
          </button>
          <span>
            {t('admin.range', {
              from: formatCount(from + 1),
              to: formatCount(from + rows.length),
              count: formatCount(keys.length),
            })}
          </span>
          <button
            type="button"
            disabled={from + ROWS_PER_PAGE >= keys.length}
            onClick={() => setPage(page + 1)}
          >
            {t('admin.next')}
          </button>
        </nav>
      )}
    </>
  )
}

interface RowProps {
  entries: LiveEntries
  name: string
  onEdit(key: string): void
  onDelete(key: string): void
}

const MAX_SHOWN = 200

function Row({ entries, name, onEdit, onDelete }: RowProps) {
  const entry = useEntry(entries, name)
  const first = useRef<number | undefined>(undefined)
  first.current ??= entry?.revision
  const json = entry ? JSON.stringify(entry.value) : undefined
  const moved = entry?.revision !== first.current
  return (
    <tr role="row" data-key={name}>
      <td role="cell" class="name">
        <a href={viewerPath(name)} title={t('admin.watchKey', { key: name })} dir="auto">
          {name}
        </a>
      </td>
      <td role="cell" class="shown">
        {/* A new node per revision restarts the flash. */}
        <code
          key={entry?.revision}
          class={moved ? 'flash' : ''}
          data-value={json}
          title={json?.slice(0, 2000)}
        >
          {json === undefined ? '…' : json.length > MAX_SHOWN ? `${json.slice(0, MAX_SHOWN)}…` : json}
        </code>
      </td>
      <td role="cell" class="changed">
        {entry && <Ago at={Date.parse(entry.updatedAt)} />}
      </td>
      <td role="cell" class="actions">
        <a class="button small" href={viewerPath(name)} aria-label={t('admin.watchKey', { key: name })}>
          {t('nav.viewer')}
        </a>
        <button
          type="button"
          class="small"
          disabled={json === undefined}
          aria-label={t('admin.editKey', { key: name })}
          onClick={() => onEdit(name)}
        >
          {t('admin.edit')}
        </button>
        <button
          type="button"
          class="small danger"
          aria-label={t('admin.deleteKey', { key: name })}
          onClick={() => onDelete(name)}
        >
          {t('admin.delete')}
        </button>
      </td>
    </tr>
  )
}
