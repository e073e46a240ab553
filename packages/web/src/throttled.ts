/** Runs `task` at once, and again at most every `everyMs` while it is called: the last call is never left out. */
export function throttled(everyMs: number, task: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let again = false
  return function run() {
    if (timer !== undefined) {
      again = true
      return
    }
    task()
    timer = setTimeout(() => {
      timer = undefined
      if (!again) return
      again = false
      run()
    }, everyMs)
  }
}
