import { type ConnectionState, createClient, exactNumbers } from '@livekv/client'
import { signal } from '@preact/signals'

/** The page's one connection. Values keep the digits they were written with: `JSON.stringify` gives their text. */
export const client = createClient(undefined, { json: exactNumbers })

export const connection = signal<ConnectionState>(client.state)
client.onState((state) => {
  connection.value = state
})
