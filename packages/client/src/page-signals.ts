/** What a browser has and other runtimes lack; nothing of it is needed. */
interface PageGlobals {
  document?: EventSource & { visibilityState?: string }
  addEventListener?: EventSource['addEventListener']
  removeEventListener?: EventSource['removeEventListener']
}

interface EventSource {
  addEventListener(name: string, listener: () => void): void
  removeEventListener(name: string, listener: () => void): void
}

/** Calls when the link may have died unnoticed: the page is seen again, the network came or went. */
export function onPageSignals(check: () => void): () => void {
  const page = globalThis as unknown as PageGlobals
  const seen = () => {
    if (page.document?.visibilityState === 'visible') check()
  }
  page.document?.addEventListener('visibilitychange', seen)
  for (const name of ['online', 'offline', 'pageshow']) page.addEventListener?.(name, check)
  return () => {
    page.document?.removeEventListener('visibilitychange', seen)
    for (const name of ['online', 'offline', 'pageshow']) page.removeEventListener?.(name, check)
  }
}
