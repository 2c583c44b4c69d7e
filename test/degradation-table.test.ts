import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const folder = new URL('./', import.meta.url)

/** The rows of the table under a heading of docs/operations.md, as cells. */
const readRows = async (heading: string): Promise<string[][]> => {
  const page = await readFile(new URL('../docs/operations.md', import.meta.url), 'utf8')
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  const lines = section.split('\n').filter((line) => line.startsWith('| '))
  return lines.slice(1).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((text) => text.trim()),
  )
}

/** What a row names: a file of tests, and how the name of a test in it begins, or nothing where the whole file is meant. */
const named = /^`([\w/-]+)`(?:: (.+))?$/

test('each row of what is seen when something is away names a test that there is', async () => {
  const rows = await readRows('When something is away')
  const unheld: string[] = []
  for (const [what = '', ...cells] of rows) {
    const [, file = '', name = ''] = named.exec(cells.at(-1) ?? '') ?? []
    const text = await readFile(new URL(`${file}.test.ts`, folder), 'utf8').catch(() => '')
    const isThere =
      text !== '' && (name === '' || [`'${name}`, `"${name}`, `\`${name}`].some((start) => text.includes(start)))
    if (!isThere) unheld.push(`${what}: ${cells.at(-1)}`)
  }
  expect(unheld).toEqual([])
  // A page that can no longer be read has none.
  expect(rows.length).toBeGreaterThan(10)
})
