import { type Signal, useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'

/** A write that may outlast the dialog it was made in. */
export interface OpenWrite {
  key: string
  acknowledged: Promise<unknown>
  /** What to say once it is acknowledged. */
  done: string
}

/** Without an outcome: nothing was written. */
export type CloseDialog = (outcome?: { done: string } | { open: OpenWrite }) => void

export interface DialogWrite {
  isOpen: Signal<boolean>
  /** It takes so long that the reader should be told. */
  isSlow: Signal<boolean>
  run(key: string, done: string, send: () => Promise<unknown>): Promise<void>
  /** Closes the dialog. A write that is open goes on, since nothing can call it back: the page takes it over. */
  leave(): void
}

const SLOW_MS = 3_000

/** Closes the dialog when its write is acknowledged; `refused` gets the reason when it was not. */
export function useDialogWrite(close: CloseDialog, refused: (error: unknown) => void): DialogWrite {
  const isOpen = useSignal(false)
  const isSlow = useSignal(false)
  const current = useRef<OpenWrite | undefined>(undefined)
  return {
    isOpen,
    isSlow,
    async run(key, done, send) {
      if (isOpen.value) return
      isOpen.value = true
      const write = { key, done, acknowledged: keepingThePage(send()) }
      current.current = write
      const slow = setTimeout(() => {
        isSlow.value = true
      }, SLOW_MS)
      try {
        await write.acknowledged
        if (current.current === write) close({ done })
      } catch (error) {
        if (current.current === write) refused(error)
      }
      clearTimeout(slow)
      isOpen.value = isSlow.value = false
    },
    leave() {
      const open = isOpen.value ? current.current : undefined
      current.current = undefined
      close(open && { open })
    },
  }
}

let openWrites = 0

/** The browser asks before it leaves a page with an open write: the write would be lost, or its answer. */
async function keepingThePage(acknowledged: Promise<unknown>): Promise<void> {
  if (openWrites++ === 0) addEventListener('beforeunload', ask)
  try {
    await acknowledged
  } finally {
    if (--openWrites === 0) removeEventListener('beforeunload', ask)
  }
}

function ask(event: BeforeUnloadEvent): void {
  event.preventDefault()
}
