/** Takes the uncaught exceptions, which would otherwise fail the test run, until `stop`. */
export function uncaught(): { messages: string[]; stop(): void } {
  const messages: string[] = []
  const listeners = process.rawListeners('uncaughtException') as ((error: Error) => void)[]
  const take = (error: Error) => void messages.push(error.message)
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', take)
  return {
    messages,
    stop() {
      process.off('uncaughtException', take)
      for (const listener of listeners) process.on('uncaughtException', listener)
    },
  }
}
