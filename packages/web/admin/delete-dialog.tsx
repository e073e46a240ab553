import { useSignal } from '@preact/signals'
import { deleteEntry } from '../src/api.ts'
import { describeError, t } from '../src/i18n.ts'
import { Dialog } from './dialog.tsx'
import type { LiveEntries } from './live-entries.ts'

interface DeleteDialogProps {
  entries: LiveEntries
  keyName: string
  onClose(message?: string): void
}

export function DeleteDialog({ entries, keyName, onClose }: DeleteDialogProps) {
  const busy = useSignal(false)
  const failure = useSignal('')

  const remove = async () => {
    if (busy.value) return
    busy.value = true
    failure.value = ''
    try {
      entries.accept(keyName, await deleteEntry(keyName))
      onClose(t('admin.deleted', { key: keyName }))
    } catch (error) {
      failure.value = describeError(error)
      busy.value = false
    }
  }

  return (
    <Dialog title={t('form.deleteTitle')} onClose={() => onClose()} onSubmit={remove}>
      <p class="target" dir="auto">
        {keyName}
      </p>
      <p>{t('form.deleteHelp')}</p>
      {failure.value && (
        <p class="problem" role="alert">
          {failure.value}
        </p>
      )}
      <div class="buttons">
        <button type="button" data-first onClick={() => onClose()}>
          {t('form.cancel')}
        </button>
        <button type="submit" class="danger" aria-disabled={busy.value}>
          {t(busy.value ? 'form.deleting' : 'form.confirmDelete')}
        </button>
      </div>
    </Dialog>
  )
}
