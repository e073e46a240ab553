import { type Entry, exactNumbers, type Json, LiveKVError } from '@livekv/client'
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { formatMoment, t } from '../src/i18n.ts'
import { client } from '../src/live.ts'
import { Dialog } from './dialog.tsx'
import { type CloseDialog, useDialogWrite } from './dialog-write.ts'
import type { LiveEntries } from './live-entries.ts'
import { useEntry } from './use-entry.ts'
import { useExpiry } from './use-expiry.ts'
import { checkKey, checkValue } from './value-check.ts'
import { WriteStatus } from './write-status.tsx'

interface EntryDialogProps {
  entries: LiveEntries
  /** The key to edit; without it one is added. */
  keyName?: string
  onClose: CloseDialog
}

/**
 * A write is made on the condition that the key is as the dialog found it. If it is not, the reader is told, and may
 * then write without a condition: a value that moves all the time could not be replaced otherwise.
 */
export function EntryDialog({ entries, keyName, onClose }: EntryDialogProps) {
  const adding = keyName === undefined
  const start = useRef(keyName === undefined ? undefined : client.value(keyName).get()).current
  const key = useSignal(keyName ?? '')
  const typed = useSignal(start ? JSON.stringify(start.value, null, 2) : '')
  const touched = useSignal(false)
  const failure = useSignal<unknown>(undefined)
  const keepsExpiry = useSignal(true)
  /** The key of which the server said that it is not as it was found, and the revision there is. */
  const conflict = useSignal<{ key: string; revision?: number } | undefined>(undefined)
  const write = useDialogWrite(onClose, (error) => {
    if (error instanceof LiveKVError && error.code === 'REVISION_CONFLICT') {
      conflict.value = { key: key.value, ...(error.details as { revision?: number }) }
    } else failure.value = error
  })
  entries.version.value

  const check = checkValue(typed.value)
  const keyProblem = adding ? checkKey(key.value) : undefined
  const hasConflict = conflict.value?.key === key.value
  const exists = adding && (hasConflict || entries.has(key.value))
  const isOpen = write.isOpen.value
  const expiry = useExpiry(
    adding && !exists ? undefined : key.value,
    hasConflict ? conflict.value?.revision : start?.revision,
  )

  const save = (json: string) => {
    failure.value = undefined
    const name = key.value
    const condition =
      hasConflict || exists ? {} : adding ? { ifAbsent: true } : { ifRevision: start?.revision ?? 0 }
    void write.run(name, t('admin.saved', { key: name }), async () => {
      const ttlMs = keepsExpiry.value ? await expiry.ttlMs() : undefined
      const lifetime = ttlMs === undefined ? {} : { ttlMs }
      await client.put(name, exactNumbers.parse(json) as Json, { ...condition, ...lifetime })
      entries.wasWritten(name)
    })
  }
  const submit = () => {
    touched.value = true
    if (keyProblem) document.getElementById('entry-key')?.focus()
    else if ('json' in check) save(check.json)
    else document.getElementById('entry-value')?.focus()
  }

  return (
    <Dialog
      title={adding ? t('form.addTitle') : t('form.editTitle', { key: keyName })}
      onClose={write.leave}
      onSubmit={submit}
    >
      {adding && (
        <div class="field">
          <label for="entry-key">{t('form.key')}</label>
          <input
            id="entry-key"
            data-first
            value={key.value}
            readOnly={isOpen}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            aria-describedby="entry-key-note"
            aria-invalid={touched.value && keyProblem !== undefined}
            onInput={(event) => {
              key.value = event.currentTarget.value
            }}
          />
          <p id="entry-key-note" class={touched.value && keyProblem ? 'problem' : 'note'} aria-live="polite">
            {(touched.value && keyProblem) || (exists ? t('form.exists') : t('form.keyHint'))}
          </p>
        </div>
      )}
      <div class="field">
        <label for="entry-value">{t('form.value')}</label>
        <textarea
          id="entry-value"
          data-first={adding ? undefined : true}
          rows={Math.min(12, Math.max(3, typed.value.split('\n').length))}
          value={typed.value}
          readOnly={isOpen}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-describedby="entry-value-note"
          aria-invalid={touched.value && 'problem' in check}
          onInput={(event) => {
            typed.value = event.currentTarget.value
          }}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit()
          }}
        />
        <div id="entry-value-note" aria-live="polite">
          <ValueNote typed={typed.value} touched={touched.value} />
        </div>
        {'asText' in check && check.asText !== undefined && typed.value.trim() !== '' && (
          <div class="offer">
            <p>{t('form.storeAsTextHint', { text: shorten(check.asText) })}</p>
            <button
              type="button"
              class="small"
              onClick={() => {
                typed.value = check.asText ?? typed.value
                touched.value = true
                if (!keyProblem && !exists) save(typed.value)
                else document.getElementById(keyProblem ? 'entry-key' : 'entry-value')?.focus()
              }}
            >
              {t('form.storeAsText')}
            </button>
          </div>
        )}
      </div>
      {expiry.at !== undefined && (
        <label class="choice">
          <input
            type="checkbox"
            checked={keepsExpiry.value}
            disabled={isOpen}
            onChange={(event) => {
              keepsExpiry.value = event.currentTarget.checked
            }}
          />
          {t('form.keepExpiry', { time: formatMoment(expiry.at) })}
        </label>
      )}
      {!adding && !isOpen && <Meanwhile entries={entries} keyName={keyName} start={start} />}
      {!adding && hasConflict && !isOpen && (
        <p class="problem" role="alert">
          {t('form.conflict')}
        </p>
      )}
      <WriteStatus write={write} failure={failure.value} />
      <div class="buttons">
        <button type="button" onClick={write.leave}>
          {t(isOpen ? 'form.close' : 'form.cancel')}
        </button>
        <button type="submit" class="primary" aria-disabled={isOpen}>
          {t(isOpen ? 'form.saving' : exists ? 'form.replace' : hasConflict ? 'form.overwrite' : 'form.save')}
        </button>
      </div>
    </Dialog>
  )
}

/** What became of the key since the dialog was opened. */
function Meanwhile({
  entries,
  keyName,
  start,
}: {
  entries: LiveEntries
  keyName: string
  start: Entry | null | undefined
}) {
  const now = useEntry(entries, keyName)
  if (now === undefined || now?.revision === start?.revision) return null
  return (
    <p class="note meanwhile">
      {now === null
        ? t('form.deletedMeanwhile')
        : t('form.changedMeanwhile', { value: shorten(JSON.stringify(now.value)) })}
    </p>
  )
}

function ValueNote({ typed, touched }: { typed: string; touched: boolean }) {
  const check = checkValue(typed)
  if ('type' in check) return <p class="note good">✓ {check.type}</p>
  if (typed.trim() === '' && !touched) return <p class="note">{t('form.valueHint')}</p>
  return <p class="problem">{check.problem}</p>
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 79)}…` : text)
