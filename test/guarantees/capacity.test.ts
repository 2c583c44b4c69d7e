import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parseOptions } from '#bench/simulate/options.ts'
import { dayTable, reportOf } from '#bench/simulate/report.ts'
import { runSimulation } from '#bench/simulate/simulation.ts'
import { sized, tell } from '#test/guarantee.ts'

/** As the document says them; the one takes seconds, the other minutes. */
const commands = { short: '--quick --only day --players 1M --seed 1', long: '--seed 1' }
const command = sized(commands)
const readPage = () => readFile(new URL('../../docs/capacity.md', import.meta.url), 'utf8')
const testMaxMs = sized({ short: 120_000, long: 1_800_000 })

test(
  'the figures of the page on capacity are what the run prints that it names',
  async () => {
    const page = await readPage()
    for (const named of Object.values(commands)) expect(page).toContain(`npm run simulate -- ${named}\n`)
    const options = parseOptions(command.split(' '))
    if (options.kind !== 'run') expect.fail('the command simulates')
    const startedAt = Date.now()
    const simulation = await runSimulation(options.simulation)
    const report = reportOf(simulation, options.simulation.values)
    const lines = (sized({ short: false, long: true }) ? report : dayTable(simulation.days)).split('\n')
    const figures = lines.filter((line) => line.startsWith('| ') || line.startsWith('- about '))
    tell('capacity', { lines: figures.length, seconds: Math.round((Date.now() - startedAt) / 1_000) })
    expect(figures.length).toBeGreaterThan(sized({ short: 8, long: 60 }))
    for (const line of figures) expect(page).toContain(`${line}\n`)
  },
  testMaxMs,
)

test('the share of Workers that the page on capacity speaks of is that of its table of costs', async () => {
  const page = await readPage()
  const [, table = ''] = page.split('## What it costs')
  const rows = [...table.matchAll(/^\| \d+M .*\|$/gm)].map(([row]) =>
    row.split('|').map((cell) => cell.replaceAll(',', '')),
  )
  const shares = rows.slice(0, 4).map((row) => Math.round((100 * Number(row[2])) / Number(row[10])))
  expect(shares).toHaveLength(4)
  expect(page).toContain(`(${Math.min(...shares)} to ${Math.max(...shares)} %), by requests`)
})
