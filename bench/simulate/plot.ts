import { colours, drawing, text } from '#bench/svg.ts'
import type { Cost } from './cost.ts'
import type { Load } from './load.ts'
import type { Simulation } from './simulation.ts'
import { playersText, rounded } from './table.ts'

const width = 1_080
const margin = 24
const labelsWidth = 220
const barsWidth = 640
const barHeight = 16
const lineHeight = 22
const groupGap = 16

/** Parts of a bar, in one order and one colour each. */
type Part = { readonly name: string; readonly colour: string; readonly value: number }

const tierParts = ({ cached: { shares } }: Load): Part[] => [
  { name: 'memory', colour: colours.rate, value: shares.memory },
  { name: 'data centre', colour: colours.third, value: shares['data-centre'] },
  { name: 'Upstash', colour: colours.behind, value: shares.upstash },
  { name: 'core', colour: colours.server, value: shares.core },
]

const costParts = ({ workers, upstash, cloudRun, cloudSql, memorystore, pubsub, egress }: Cost): Part[] => [
  { name: 'Workers', colour: colours.rate, value: workers },
  { name: 'Upstash', colour: colours.behind, value: upstash },
  { name: 'Cloud Run', colour: colours.server, value: cloudRun },
  { name: 'Cloud SQL', colour: colours.third, value: cloudSql },
  { name: 'the rest', colour: colours.faint, value: memorystore + pubsub + egress },
]

/** An SVG of a simulation: who answers reads, at each moment of each deployment, with what Upstash gets; and what a month costs. */
export const plot = ({ days }: Simulation): string => {
  const parts: string[] = []
  let y = 32
  const title = (content: string, legend: readonly Part[]) => {
    parts.push(text(margin, y, content, { size: 17, weight: 700 }))
    y += 24
    parts.push(...legendOf(legend, y))
    y += 20
  }
  const bar = (
    label: string,
    of: readonly Part[],
    { scale, note }: { readonly scale: number; readonly note: string },
  ) => {
    parts.push(text(margin + labelsWidth - 10, y + 13, label, { end: true }))
    let x = margin + labelsWidth
    for (const { colour, value } of of) {
      parts.push(rectangle(x, y, value * scale, colour))
      x += value * scale
    }
    parts.push(text(x + 8, y + 13, note, { size: 12 }))
    y += lineHeight
  }
  const [first] = days
  if (!first) throw new Error('there is no day to draw')
  title('Who answers the reads of profiles, and commands/s at Upstash', first.loads.slice(0, 1).flatMap(tierParts))
  for (const { players, loads } of days) {
    for (const load of loads)
      bar(`${playersText(players)}, ${load.name}`, tierParts(load), {
        scale: barsWidth,
        note: `${rounded(load.upstashCommands)} commands/s`,
      })
    y += groupGap
  }
  y += 30
  title('US dollars a month, at list prices', costParts(first.cost))
  const dearest = Math.max(...days.map(({ cost }) => cost.total))
  for (const { players, cost } of days)
    bar(`${playersText(players)} players`, costParts(cost), { scale: barsWidth / dearest, note: rounded(cost.total) })
  return drawing({ width, height: y + margin, title: 'A simulated deployment' }, parts)
}

const rectangle = (x: number, y: number, barWidth: number, colour: string) =>
  `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0, barWidth).toFixed(1)}" height="${barHeight}" fill="${colour}"/>`

const legendWidth = 130

const legendOf = (of: readonly Part[], y: number): string[] =>
  of.flatMap(({ name, colour }, at) => {
    const x = margin + labelsWidth + at * legendWidth
    return [
      `<rect x="${x}" y="${y - 11}" width="12" height="12" fill="${colour}"/>`,
      text(x + 18, y, name, { colour: colours.faint }),
    ]
  })
