import { effect, type ReadonlySignal } from '@preact/signals'
import { AreaSeries, createChart, type UTCTimestamp } from 'lightweight-charts'
import { useEffect, useRef } from 'preact/hooks'
import { formatClock, formatDate, formatDateTime, formatDecimal, t } from '../src/i18n.ts'
import { isDark } from '../src/theme.ts'
import type { Point } from './watched-key.ts'

const DAY_MS = 86_400_000
/** A chart of more than this is labelled by dates, one of less than that to the second. */
const MANY_DAYS_MS = 3 * DAY_MS
const SOME_MINUTES_MS = 10 * 60_000
/** The chart refuses larger numbers (2^53 / 100): those are drawn scaled down, and labelled as they are. */
const MAX_DRAWN = 9e13

/**
 * The chart spaces its points evenly and wants a rising whole second for each. Changes may come many to a second,
 * so a point's place in the list stands for its time, and the labels look the real one up.
 */
export function PriceChart({ points }: { points: ReadonlySignal<readonly Point[]> }) {
  const place = useRef<HTMLDivElement>(null)

  useEffect(() => {
    const timeOf = (index: number) => points.peek()[index]?.time ?? Number.NaN
    const label = (index: number, short: boolean) => {
      const time = timeOf(index)
      if (Number.isNaN(time)) return ''
      if (time % DAY_MS === 0) return formatDate(time)
      if (!short) return formatDateTime(time)
      const spanMs = timeOf(points.peek().length - 1) - timeOf(0)
      return spanMs > MANY_DAYS_MS ? formatDate(time) : formatClock(time, spanMs < SOME_MINUTES_MS)
    }
    const chart = createChart(place.current!, {
      autoSize: true,
      layout: { fontFamily: 'inherit', background: { color: 'transparent' } },
      rightPriceScale: { borderVisible: false },
      timeScale: {
        borderVisible: false,
        fixLeftEdge: true,
        fixRightEdge: true,
        tickMarkMaxCharacterLength: 12,
        tickMarkFormatter: (index: unknown) => label(index as number, true),
      },
      localization: { timeFormatter: (index: unknown) => label(index as number, false) },
      // The page scrolls by wheel and finger; the chart only shows.
      handleScroll: false,
      handleScale: false,
    })
    const series = chart.addSeries(AreaSeries, { lineWidth: 2, priceLineVisible: false })

    const stopColours = effect(() => {
      const style = getComputedStyle(document.documentElement)
      const colour = (name: string) => style.getPropertyValue(`--${name}`).trim()
      void isDark.value
      chart.applyOptions({
        layout: { textColor: colour('muted') },
        grid: { vertLines: { visible: false }, horzLines: { color: colour('line') } },
        crosshair: { vertLine: { color: colour('muted') }, horzLine: { color: colour('muted') } },
      })
      const accent = colour('accent')
      series.applyOptions({ lineColor: accent, topColor: `${accent}40`, bottomColor: `${accent}05` })
    })
    const stopPoints = effect(() => {
      const digits = Math.min(8, Math.max(0, ...points.value.map(({ text }) => fractionDigits(text))))
      const largest = Math.max(0, ...points.value.map(({ text }) => Math.abs(Number(text))))
      const scale = largest > MAX_DRAWN ? 10 ** Math.ceil(Math.log10(largest / MAX_DRAWN)) : 1
      series.applyOptions({
        priceFormat: {
          type: 'custom',
          minMove: 10 ** -digits,
          formatter: (price: number) => formatDecimal((price * scale).toFixed(digits)),
        },
      })
      series.setData(
        points.value.map(({ text }, index) => ({ time: index as UTCTimestamp, value: Number(text) / scale })),
      )
      chart.timeScale().fitContent()
    })
    return () => {
      stopColours()
      stopPoints()
      chart.remove()
    }
  }, [points])

  return (
    <section class="chart card" aria-label={t('viewer.chart')}>
      <h2>{t('viewer.chart')}</h2>
      <p class="unseen" data-chart>
        {describe(points.value)}
      </p>
      <div ref={place} class="chart-place" />
    </section>
  )
}

export function fractionDigits(text: string): number {
  return /\.(\d+)$/.exec(text)?.[1]?.length ?? 0
}

function describe(points: readonly Point[]): string {
  const byValue = points.toSorted((a, b) => Number(a.text) - Number(b.text))
  const text = (point: Point | undefined) => (point ? formatDecimal(point.text) : '')
  return t('viewer.chartLabel', {
    count: points.length,
    first: text(points[0]),
    last: text(points.at(-1)),
    low: text(byValue[0]),
    high: text(byValue.at(-1)),
  })
}
