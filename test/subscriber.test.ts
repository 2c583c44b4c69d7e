import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PubSub } from '@google-cloud/pubsub'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { events } from '#contract/events.ts'
import type { PlayerId } from '#contract/ids.ts'
import { topicsOf } from '#core/config.ts'
import { type Child, startChild, untilReady } from '#infra/local/process.ts'
import { createPubSub } from '#infra/pubsub.ts'
import { eventually } from './eventually.ts'
import { startWorld, type World } from './harness.ts'
import { pubsubEmulatorHost } from './pubsub-emulator.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
/** Messages of a killed process come again when their ten seconds have passed; the emulator took 15 to 36 s. */
const redeliveredWithinMs = 75_000

/** The example, as its README runs it. */
const startExample = (settings: Readonly<Record<string, string>>): Promise<Child> => {
  const { PUBSUB_EMULATOR_HOST: _, PUBSUB_PROJECT: __, DATABASE_URL: ___, ...env } = process.env
  return startChild({
    name: 'example subscriber',
    command: process.execPath,
    args: ['examples/subscriber/main.ts'],
    folder: project,
    logFile: join(logFolder, `${randomUUID()}.log`),
    env: { ...env, ...settings },
  })
}

const logFolder = mkdtempSync(join(tmpdir(), 'perigee-example-'))
afterAll(() => rm(logFolder, { recursive: true, force: true }))

test('the example says plainly that it needs Pub/Sub, and which settings lead it there', async () => {
  const child = await startExample({ DATABASE_URL: 'postgres://nowhere.invalid/none' })
  expect(await child.exited).toEqual({ code: 1, signal: null })
  const printed = await readFile(child.logFile, 'utf8')
  expect(printed).toMatch(/Pub\/Sub.+PUBSUB_PROJECT.+PUBSUB_EMULATOR_HOST/)
  expect(printed.trim().split('\n')).toHaveLength(1)
})

test('the example imports nothing of ours, so that it can be copied', async () => {
  const folder = join(project, 'examples/subscriber')
  const sources = (await readdir(folder)).filter((name) => name.endsWith('.ts'))
  const texts = await Promise.all(sources.map((name) => readFile(join(folder, name), 'utf8')))
  const imported = texts.flatMap((text) => [...text.matchAll(/from '([^']+)'/g)].map(([, from = '']) => from))
  const foreign = imported.filter((from) => !from.startsWith('./') && !from.startsWith('node:'))
  expect([...new Set(foreign)].toSorted()).toEqual(['@google-cloud/pubsub', 'postgres'])
})

test('every type of event stands in the catalogue of docs/events.md, and no other', async () => {
  const page = await readFile(join(project, 'docs/events.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `(perigee\.[\w.]+)` \| `([^`]+)` \|/gm)].map(([, type, subject]) => [
    type,
    subject,
  ])
  expect(rows).toEqual(Object.entries(events).map(([type, { aggregate }]) => [type, aggregate]))
})

const host = await pubsubEmulatorHost()

describe.skipIf(host === null)('with Pub/Sub', () => {
  let world: World
  let child: Child
  let settings: Readonly<Record<string, string>>

  beforeAll(async () => {
    if (host === null) return
    world = await startWorld()
    settings = {
      PUBSUB_EMULATOR_HOST: host,
      PUBSUB_PROJECT: 'perigee-test',
      PUBSUB_TOPIC: `${world.prefix}-events`,
      PUBSUB_SUBSCRIPTION: `${world.prefix}-wallet-copy`,
      DATABASE_URL: world.databaseUrl,
    }
    child = await startReady()
  })
  afterAll(async () => {
    await child?.stop()
    await world?.stop()
  })

  const startReady = async (others: Readonly<Record<string, string>> = {}): Promise<Child> => {
    const started = await startExample({ ...settings, ...others })
    await untilReady(started, 20_000, async () =>
      (await readFile(started.logFile, 'utf8')).includes('Takes the events'),
    )
    return started
  }

  const grant = (playerId: PlayerId, reason: string) =>
    world.client({ bearer: world.keys.server }).createWalletTransaction({
      params: { playerId },
      body: { changes: [{ currency: 'coins', amount: 3 }], reason },
    })

  const coinsOf = async (playerId: PlayerId): Promise<number | undefined> => {
    const [row] = await world.sql`select balances from wallet_copy.wallets where player_id = ${playerId}`
    return row?.balances.find((balance: { currency: string }) => balance.currency === 'coins')?.amount
  }

  const grantsOf = async (reason: string): Promise<number> => {
    const [row] = await world.sql`select transactions from wallet_copy.grants where reason = ${reason}`
    return Number(row?.transactions ?? 0)
  }

  test('grants, spending and profile changes arrive in the copy of another service', async () => {
    const { playerId, client } = await world.signIn()
    const nameOf = () => world.sql`select display_name from wallet_copy.players where player_id = ${playerId}`
    await eventually(async () => (await nameOf()).length === 1, 10_000)
    expect((await nameOf())[0]?.display_name).toEqual(expect.any(String))
    await client.updateOwnProfile({ body: { displayName: 'Grace' } })
    await eventually(async () => (await nameOf())[0]?.display_name === null, 10_000)
    await grant(playerId, 'arrival')
    await grant(playerId, 'arrival')
    const tookMs = await eventually(async () => (await coinsOf(playerId)) === 6, 10_000)
    expect(await grantsOf('arrival')).toBe(2)
    console.log(`a grant was in the example's copy ${Math.round(tookMs)} ms after its answer`)
  })

  test('unknown types, events redriven for others, late and repeated ones change nothing; what is no event is given back', async () => {
    const { playerId } = await world.signIn()
    await grant(playerId, 'gate')
    await eventually(async () => (await coinsOf(playerId)) === 3, 10_000)
    const [event] = await world.sql`
        select event_id, version, data from outbox where type = 'perigee.wallet.changed.v1' and data->>'playerId' = ${playerId}`
    const bus = createPubSub({
      projectId: 'perigee-test',
      topics: topicsOf({ PUBSUB_PREFIX: world.prefix }),
      emulatorHost: host ?? '',
      onError: () => {},
      onRefused: () => {},
    })
    const subject = `wallet:${playerId}`
    const send = (attributes: Record<string, string>, coins: number) =>
      bus.publish([
        {
          orderingKey: subject,
          attributes: {
            'ce-id': event?.event_id,
            'ce-type': 'perigee.wallet.changed.v1',
            'ce-subject': subject,
            'ce-aggregateversion': String(event?.version),
            ...attributes,
          },
          data: Buffer.from(JSON.stringify({ ...event?.data, balances: [{ currency: 'coins', amount: coins }] })),
        },
      ])
    const newer = String(Number(event?.version) + 1)
    await send({}, 1)
    await send({ 'ce-id': 'evt_late', 'ce-aggregateversion': '1' }, 2)
    await send({ 'ce-type': 'perigee.unheard.of.v9', 'ce-aggregateversion': newer }, 4)
    await send({ 'ce-aggregateversion': newer, 'perigee-redriven-for': 'somebody-else' }, 5)
    await send({ 'ce-id': 'evt_newer', 'ce-aggregateversion': newer }, 77)
    await eventually(async () => (await coinsOf(playerId)) === 77, 10_000)
    // The first, the late one, which is a fact all the same, and the newest: each counted once.
    expect(await grantsOf('gate')).toBe(3)
    await bus.publish([{ orderingKey: '', attributes: { 'ce-id': 'broken' }, data: Buffer.from('{') }])
    await eventually(async () => (await readFile(child.logFile, 'utf8')).includes('an event was given back'), 10_000)
    await bus.close()
  })

  test('a subscriber that is killed in the middle has every grant once when it is back, and the newest balances', async () => {
    // Without ordering: after a kill the emulator keeps some of the ordering keys in hand back for ever, whoever asks for them.
    const name = `${world.prefix}-killed`
    const client = new PubSub({ projectId: 'perigee-test', apiEndpoint: host ?? '', emulatorMode: true })
    onTestFinished(() => client.close())
    await client.topic(`${world.prefix}-events`).createSubscription(name, { ackDeadlineSeconds: 10 })
    await child.stop()
    child = await startReady({ PUBSUB_SUBSCRIPTION: name })
    const players = await Promise.all(Array.from({ length: 5 }, () => world.signIn()))
    const grantAll = async (rounds: number) => {
      for (let round = 0; round < rounds; round++)
        await Promise.all(players.map(({ playerId }) => grant(playerId, 'killed')))
    }
    const granting = grantAll(30)
    await eventually(async () => (await grantsOf('killed')) >= 20, 20_000)
    child.kill()
    expect(await child.exited).toMatchObject({ signal: 'SIGKILL' })
    const atDeath = await grantsOf('killed')
    await granting
    await grantAll(5)
    child = await startReady({ PUBSUB_SUBSCRIPTION: name })
    const tookMs = await eventually(async () => (await grantsOf('killed')) >= 175, redeliveredWithinMs)
    for (const { playerId } of players) await eventually(async () => (await coinsOf(playerId)) === 105, 10_000)
    expect(await grantsOf('killed')).toBe(175)
    console.log(`killed after ${atDeath} of 175 grants; all 175 counted once ${Math.round(tookMs)} ms after its return`)
  }, 150_000)

  test('a subscriber that is told to stop ends what it has in hand, and goes with 0', async () => {
    const stoppedAt = performance.now()
    await child.stop()
    expect(await child.exited).toEqual({ code: 0, signal: null })
    console.log(`the example ended ${Math.round(performance.now() - stoppedAt)} ms after SIGTERM`)
  })
})
