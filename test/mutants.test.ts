import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { mutants } from './run-mutants.ts'

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')

test('every mutant has a name of its own, and its line stands once in its file', async () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  const lost: string[] = []
  for (const { name, file, find } of mutants) if ((await read(file)).split(find).length !== 2) lost.push(name)
  expect(lost).toEqual([])
})
