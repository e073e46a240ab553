import { effect, type Signal, signal } from '@preact/signals'

/** A choice of this browser, kept in local storage once it was made. */
export function remembered<Choice extends string>(
  name: string,
  choices: readonly Choice[],
  initial: () => Choice,
): Signal<Choice> {
  const stored = read(name)
  const choice = signal(choices.find((one) => one === stored) ?? initial())
  let first = true
  effect(() => {
    const value = choice.value
    if (!first) write(name, value)
    first = false
  })
  return choice
}

function read(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null // storage is blocked: the choice lasts as long as the page
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(name, value)
  } catch {
    // As above.
  }
}
