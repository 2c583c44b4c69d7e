import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Edge, startEdge } from '#infra/local/edge.ts'
import { bundleEdge } from '#infra/local/edge-bundle.ts'
import { freePort } from '#infra/local/ports.ts'
import { readVectors } from './schedule-vectors.ts'
import type { TimetableAnswer } from './schedule-worker.ts'

const project = fileURLToPath(new URL('..', import.meta.url))

let folder: string
let edge: Edge

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perigee-schedule-'))
  await bundleEdge({ project, folder, entry: 'test/schedule-worker.ts' })
  await rename(join(folder, 'schedule-worker.js'), join(folder, 'main.js'))
  const port = await freePort()
  edge = await startEdge(
    { bundleFolder: folder, configPath: join(project, 'wrangler.toml'), port, vars: {} },
    console.log,
  )
})

afterAll(async () => {
  await edge?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('a Worker, whose zones are those of workerd, computes the same runs', async () => {
  const { timetables } = await readVectors()
  const res = await fetch(edge.url, {
    method: 'POST',
    body: JSON.stringify(timetables.map(({ question }) => question)),
  })
  const answers = (await res.json()) as readonly TimetableAnswer[]
  for (const [index, { name, answer }] of timetables.entries()) expect([name, answers[index]]).toEqual([name, answer])
})
