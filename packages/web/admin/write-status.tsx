import { describeError, t } from '../src/i18n.ts'
import { connection } from '../src/live.ts'
import type { DialogWrite } from './dialog-write.ts'

/** Within a dialog: that its write waits, or why it was refused. */
export function WriteStatus({ write, failure }: { write: DialogWrite; failure: unknown }) {
  const waits = write.isOpen.value && (write.isSlow.value || connection.value.name === 'offline')
  return (
    <>
      <p class="note waiting" role="status">
        {waits && t('form.waiting')}
      </p>
      {failure !== undefined && (
        <p class="problem" role="alert">
          {describeError(failure)}
        </p>
      )}
    </>
  )
}
