import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { VERSION } from '../version.ts'
import {
  COMMIT_SECONDS,
  COMMIT_WRITES,
  type HistogramMetric,
  METRICS,
  type Metric,
  type MetricParts,
} from './metric-table.ts'

/** The metrics of one instance, in Prometheus' text format. Nothing is done for them between two times of asking. */
export class Metrics {
  readonly commitSeconds: Histogram
  readonly commitWrites: Histogram
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    const info = new Gauge({
      name: 'livekv_info',
      help: 'Always 1; its label is the version.',
      labelNames: ['version'],
      registers: [this.#registry],
    })
    info.set({ version: VERSION }, 1)
    this.commitSeconds = this.#histogram(COMMIT_SECONDS)
    this.commitWrites = this.#histogram(COMMIT_WRITES)
  }

  /** Registers what these parts can tell. */
  observe(parts: MetricParts): void {
    for (const metric of METRICS) if (metric.read(parts) !== undefined) this.#register(metric, parts)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  #histogram({ name, help, buckets }: HistogramMetric): Histogram {
    return new Histogram({ name, help, buckets, registers: [this.#registry] })
  }

  #register({ name, help, type, label, read }: Metric, parts: MetricParts): void {
    const options = {
      name,
      help,
      labelNames: label === undefined ? [] : [label],
      registers: [this.#registry],
    }
    const collected =
      (set: (labels: Record<string, string>, value: number) => void, reset: () => void) => () => {
        reset()
        const value = read(parts)
        if (typeof value === 'number') set({}, value)
        else for (const [each, count] of Object.entries(value ?? {})) set({ [label!]: each }, count)
      }
    if (type === 'gauge') {
      const gauge: Gauge = new Gauge({
        ...options,
        collect: collected(
          (labels, value) => gauge.set(labels, value),
          () => gauge.reset(),
        ),
      })
    } else {
      // Counted where it happens: here it is set to that.
      const counter: Counter = new Counter({
        ...options,
        collect: collected(
          (labels, value) => counter.inc(labels, value),
          () => counter.reset(),
        ),
      })
    }
  }
}
