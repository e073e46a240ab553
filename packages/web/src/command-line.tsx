import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { t } from './i18n.ts'

/** A shell line to copy. */
export function CommandLine({ line }: { line: string }) {
  const code = useRef<HTMLElement>(null)
  const done = useSignal<'copy' | 'copied' | 'select'>('copy')
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(line)
      done.value = 'copied'
    } catch {
      // Not a secure context (plain http on another host): the reader copies the selection.
      getSelection()?.selectAllChildren(code.current!)
      done.value = 'select'
    }
    setTimeout(() => {
      done.value = 'copy'
    }, 2500)
  }
  return (
    <div class="command">
      <code ref={code}>{line}</code>
      <button type="button" class="small" onClick={copy} aria-live="polite">
        {t(`copy.${done.value}`)}
      </button>
    </div>
  )
}
