import { Presets, SingleBar } from 'cli-progress'

export interface Progress {
  start(total: number): void
  update(done: number): void
  /** Also restores the cursor; may be called twice. */
  stop(): void
}

const SILENT: Progress = { start: () => {}, update: () => {}, stop: () => {} }

/** A bar on standard error if that is a terminal, else nothing. */
export function createProgress(label: string, unit: string): Progress {
  if (!process.stderr.isTTY) return SILENT
  const bar = new SingleBar(
    {
      format: `${label} {bar} {percentage}% | {value}/{total} ${unit} | {eta_formatted} left`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      // The command's own handler ends it; cli-progress would exit the process by itself.
      gracefulExit: false,
    },
    Presets.shades_classic,
  )
  return {
    start: (total) => bar.start(total, 0),
    update: (done) => bar.update(done),
    stop: () => {
      if (bar.isActive) bar.stop()
    },
  }
}
