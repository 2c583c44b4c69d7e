import type { Row } from './rounds.ts'
import { colours, drawing, grouped, text } from './svg.ts'
import type { Terms } from './table.ts'

const width = 1_080
const margin = 24
const labelsWidth = 260
const panelWidth = 340
const panelGap = 60
const barHeight = 18
const lineHeight = 26
const groupGap = 30
const headHeight = 84

const bar = (x: number, y: number, barWidth: number, colour: string) =>
  `<rect x="${x}" y="${y}" width="${Math.max(0, barWidth).toFixed(1)}" height="${barHeight}" fill="${colour}"/>`

/** An SVG of the closed loops with the most connections: requests a second, and what a request costs. */
export const plot = (rows: readonly Row[], { behind }: Terms): string => {
  const closed = rows.filter(({ rate }) => rate === undefined)
  const connections = Math.max(0, ...closed.map((row) => row.connections))
  const shown = closed.filter((row) => row.connections === connections)
  const rateScale = scaleOf(shown.map(({ median }) => median.requestsPerSecond))
  const cpuScale = scaleOf(shown.map(({ median }) => (median.cpu.server ?? 0) + (median.cpu.behind ?? 0)))
  const ratesX = margin + labelsWidth
  const cpuX = ratesX + panelWidth + panelGap
  const parts: string[] = []
  let y = headHeight
  for (const scenario of new Set(shown.map((row) => row.scenario))) {
    parts.push(text(margin, y + 2, scenario, { weight: 700, size: 14 }))
    parts.push(`<line x1="${margin}" x2="${width - margin}" y1="${y + 9}" y2="${y + 9}" stroke="${colours.line}"/>`)
    y += 16
    for (const { contestant, median } of shown.filter((row) => row.scenario === scenario)) {
      parts.push(text(ratesX - 12, y + 14, contestant, { end: true }))
      const rate = median.requestsPerSecond
      parts.push(bar(ratesX, y, rate * rateScale, colours.rate))
      parts.push(text(ratesX + rate * rateScale + 6, y + 14, grouped(rate)))
      parts.push(...cpuBars(cpuX, y, { ...median.cpu, scale: cpuScale }))
      y += lineHeight
    }
    y += groupGap
  }
  return drawing({ width, height: y, title: `Requests a second and CPU a request at ${connections} connections` }, [
    text(margin, 32, `At ${connections} connections, closed loop`, { size: 17, weight: 700 }),
    text(ratesX, 58, 'requests a second', { colour: colours.faint }),
    legend(cpuX, behind),
    ...parts,
  ])
}

/** Pixels a unit, so that the longest bar leaves room for its number. */
const scaleOf = (values: readonly number[]) => (panelWidth - 70) / Math.max(1, ...values)

const cpuBars = (
  x: number,
  y: number,
  cpu: { readonly server: number | undefined; readonly behind: number | undefined; readonly scale: number },
): string[] => {
  const { server, behind, scale } = cpu
  if (server === undefined && behind === undefined)
    return [text(x, y + 14, 'not measured', { colour: colours.faint, size: 12 })]
  const first = (server ?? 0) * scale
  const second = (behind ?? 0) * scale
  const numbers = [server, behind].filter((value) => value !== undefined).map((value) => grouped(value))
  return [
    bar(x, y, first, colours.server),
    bar(x + first, y, second, colours.behind),
    text(x + first + second + 6, y + 14, numbers.join(' + ')),
  ]
}

const legend = (x: number, behind: string) =>
  [
    text(x, 58, 'CPU a request, microseconds:', { colour: colours.faint }),
    `<rect x="${x + 204}" y="47" width="12" height="12" fill="${colours.server}"/>`,
    text(x + 221, 58, 'server', { colour: colours.faint }),
    `<rect x="${x + 274}" y="47" width="12" height="12" fill="${colours.behind}"/>`,
    text(x + 291, 58, behind, { colour: colours.faint }),
  ].join('\n')
