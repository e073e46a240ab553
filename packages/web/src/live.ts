import { type ConnectionState, createClient, exactNumbers } from '@livekv/client'
import { signal } from '@preact/signals'

/** The page's one connection. Values keep the digits they were written with: `JSON.stringify` gives their text. */
export const client = createClient(undefined, { json: exactNumbers })

/** A live page whose next rows are read within this is not said to catch up, and to be live again. */
const UNSAID_MS = 300

export const connection = signal<ConnectionState>(client.state)
let saying: ReturnType<typeof setTimeout> | undefined
client.onState((state) => {
  clearTimeout(saying)
  const say = () => {
    connection.value = state
  }
  if (state.name === 'catching-up' && connection.peek().name === 'live') saying = setTimeout(say, UNSAID_MS)
  else say()
})
