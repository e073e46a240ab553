import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

interface DialogProps {
  title: string
  onClose(): void
  onSubmit(): void
  children: ComponentChildren
}

/** The browser's own modal dialog: it keeps the focus inside, closes on Escape, and gives the focus back. */
export function Dialog({ title, onClose, onSubmit, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  // Not after the next frame, as useEffect would: what is typed until then belongs into the dialog.
  useLayoutEffect(() => {
    const opener = document.activeElement
    const element = dialog.current!
    element.showModal()
    const first = element.querySelector<HTMLElement>('[data-first]')
    first?.focus()
    if (first instanceof HTMLTextAreaElement) {
      // One line is replaced by typing, a longer value is read from its beginning.
      first.setSelectionRange(0, first.value.includes('\n') ? 0 : first.value.length)
      first.scrollTop = 0
    }
    return () => {
      element.close()
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus()
      else document.querySelector<HTMLElement>('input[type="search"]')?.focus()
    }
  }, [])
  return (
    <dialog
      ref={dialog}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          onSubmit()
        }}
      >
        <h2 id="dialog-title">{title}</h2>
        {children}
      </form>
    </dialog>
  )
}
