import { useSignal } from '@preact/signals'
import { t } from '../src/i18n.ts'
import { client } from '../src/live.ts'
import { Dialog } from './dialog.tsx'
import { type CloseDialog, useDialogWrite } from './dialog-write.ts'
import { WriteStatus } from './write-status.tsx'

export function DeleteDialog({ keyName, onClose }: { keyName: string; onClose: CloseDialog }) {
  const failure = useSignal<unknown>(undefined)
  const write = useDialogWrite(onClose, (error) => {
    failure.value = error
  })
  const remove = () => {
    failure.value = undefined
    void write.run(keyName, t('admin.deleted', { key: keyName }), () => client.delete(keyName))
  }
  const isOpen = write.isOpen.value

  return (
    <Dialog title={t('form.deleteTitle')} onClose={write.leave} onSubmit={remove}>
      <p class="target" dir="auto">
        {keyName}
      </p>
      <p>{t('form.deleteHelp')}</p>
      <WriteStatus write={write} failure={failure.value} />
      <div class="buttons">
        <button type="button" data-first onClick={write.leave}>
          {t(isOpen ? 'form.close' : 'form.cancel')}
        </button>
        <button type="submit" class="danger" aria-disabled={isOpen}>
          {t(isOpen ? 'form.deleting' : 'form.confirmDelete')}
        </button>
      </div>
    </Dialog>
  )
}
