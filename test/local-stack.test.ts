import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseLocalCells } from '#infra/local/cells.ts'
import { runCommand } from '#infra/local/command.ts'
import type { Child, Exit } from '#infra/local/process.ts'
import { createServices } from '#infra/local/services.ts'

const continents = ['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA']

describe('the cells of the local stack', () => {
  test.each(['eu1', 'eu1,us1', 'eu1,us1,ap1', 'eu1,us1,ap1,sa1', 'eu1,us1,ap1,sa1,oc1'])(
    'of %s, each has callers who are nearest to it, and no continent has two',
    (list) => {
      const cells = parseLocalCells(list)
      expect(cells.map(({ cell }) => cell)).toEqual(list.split(','))
      for (const { near } of cells) expect(near).not.toEqual([])
      expect(cells.flatMap(({ near }) => near).sort()).toEqual(continents)
    },
  )

  test('of two, the second is nearest to the Americas and the first to all others', () => {
    expect(parseLocalCells('eu1,us1')).toEqual([
      { cell: 'eu1', near: ['EU', 'AF', 'AS', 'OC', 'AN'] },
      { cell: 'us1', near: ['NA', 'SA'] },
    ])
  })

  test.each([
    ['', "'' is not the code of a cell"],
    ['eu1,', "'' is not the code of a cell"],
    ['eu1, us1', "' us1' is not the code of a cell"],
    ['EU1', "'EU1' is not the code of a cell"],
    ['../eu1', "'../eu1' is not the code of a cell"],
    ['eu1,us1,eu1', 'eu1 stands there twice'],
    ['eu1,us1,ap1,sa1,oc1,af1', '6 cells are more than 5'],
  ])('the list %j is refused, and why is said', (list, why) => {
    expect(() => parseLocalCells(list)).toThrow(`--cells: ${why}`)
  })

  test('npm run dev ends with what is wrong with the list and how it is to be', async () => {
    const dev = runCommand({
      name: 'dev',
      command: process.execPath,
      args: [fileURLToPath(new URL('../infra/local/dev.ts', import.meta.url)), '--cells', 'eu1,eu1'],
      maxMs: 20_000,
    })
    await expect(dev).rejects.toThrow(/--cells: eu1 stands there twice.*npm run dev \[-- --cells eu1,us1\]/s)
  })
})

/** A service that takes its time to start; `stopped` takes its name when it is told to stop. */
const createSlowChild = (name: string, stopped: string[]) => {
  const started = Promise.withResolvers<Child>()
  const exited = Promise.withResolvers<Exit>()
  const stop = async () => {
    stopped.push(name)
    exited.resolve({ code: 0, signal: null })
  }
  const child: Child = { name, pid: 0, logFile: '', exited: exited.promise, stop, kill: () => {} }
  return { name, start: () => started.promise, finishStart: () => started.resolve(child) }
}

test('what is still starting when the stack is stopped is stopped too, however many start at once', async () => {
  const services = createServices(() => {})
  const stopped: string[] = []
  const [eu, us] = [createSlowChild('postgres-eu1', stopped), createSlowChild('postgres-us1', stopped)]
  for (const { name, start } of [eu, us]) void services.start({ name, essential: false, address: () => '' }, start)
  const stopping = services.stop()
  us.finishStart()
  eu.finishStart()
  await stopping
  expect(stopped).toEqual(['postgres-eu1', 'postgres-us1'])
})
