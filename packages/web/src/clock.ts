import { signal } from '@preact/signals'

/** Read it where a time "… ago" is shown: it ticks once a second. */
export const tick = signal(0)

setInterval(() => {
  tick.value++
}, 1000)
