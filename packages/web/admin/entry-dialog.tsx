import { useSignal } from '@preact/signals'
import { ApiError, putEntry } from '../src/api.ts'
import { describeError, t } from '../src/i18n.ts'
import { prettyJson } from '../src/json-text.ts'
import { Dialog } from './dialog.tsx'
import type { LiveEntries } from './live-entries.ts'
import { checkKey, checkValue } from './value-check.ts'

interface EntryDialogProps {
  entries: LiveEntries
  /** The key to edit; without it one is added. */
  keyName?: string
  onClose(message?: string): void
}

export function EntryDialog({ entries, keyName, onClose }: EntryDialogProps) {
  const adding = keyName === undefined
  const start = useSignal(keyName === undefined ? undefined : entries.state(keyName))
  const key = useSignal(keyName ?? '')
  const typed = useSignal(start.value?.json ? prettyJson(start.value.json) : '')
  const touched = useSignal(false)
  const busy = useSignal(false)
  const failure = useSignal('')
  const existing = useSignal<string | undefined>(undefined)
  entries.version.value

  const check = checkValue(typed.value)
  const keyProblem = adding ? checkKey(key.value) : undefined
  const exists = adding && (existing.value === key.value || entries.has(key.value))
  const now = keyName === undefined ? undefined : entries.state(keyName)
  const moved = start.value !== undefined && now !== undefined && now.revision !== start.value.revision

  const save = async (json: string) => {
    if (busy.value) return
    busy.value = true
    failure.value = ''
    const name = key.value
    try {
      entries.accept(name, await putEntry(name, json, adding && !exists))
      onClose(t('admin.saved', { key: name }))
    } catch (error) {
      if (error instanceof ApiError && error.code === 'REVISION_CONFLICT') existing.value = name
      else failure.value = describeError(error)
      busy.value = false
    }
  }
  const submit = () => {
    touched.value = true
    if (keyProblem) document.getElementById('entry-key')?.focus()
    else if ('json' in check) void save(check.json)
    else document.getElementById('entry-value')?.focus()
  }

  return (
    <Dialog
      title={adding ? t('form.addTitle') : t('form.editTitle', { key: keyName })}
      onClose={() => onClose()}
      onSubmit={submit}
    >
      {adding && (
        <div class="field">
          <label for="entry-key">{t('form.key')}</label>
          <input
            id="entry-key"
            data-first
            value={key.value}
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
                if (!keyProblem && !exists) void save(typed.value)
                else document.getElementById(keyProblem ? 'entry-key' : 'entry-value')?.focus()
              }}
            >
              {t('form.storeAsText')}
            </button>
          </div>
        )}
      </div>
      {moved && now.json !== null && (
        <p class="note meanwhile">{t('form.changedMeanwhile', { value: shorten(now.json) })}</p>
      )}
      {failure.value && (
        <p class="problem" role="alert">
          {failure.value}
        </p>
      )}
      <div class="buttons">
        <button type="button" onClick={() => onClose()}>
          {t('form.cancel')}
        </button>
        <button type="submit" class="primary" aria-disabled={busy.value}>
          {t(busy.value ? 'form.saving' : exists ? 'form.replace' : 'form.save')}
        </button>
      </div>
    </Dialog>
  )
}

function ValueNote({ typed, touched }: { typed: string; touched: boolean }) {
  const check = checkValue(typed)
  if ('type' in check) return <p class="note good">✓ {check.type}</p>
  if (typed.trim() === '' && !touched) return <p class="note">{t('form.valueHint')}</p>
  return <p class="problem">{check.problem}</p>
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 79)}…` : text)
