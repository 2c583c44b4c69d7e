import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { CallError, type Client, createClient } from '#contract/client.ts'
import type { PlayerId } from '#contract/ids.ts'
import { getProfile } from '#contract/players.ts'
import { routes } from '#contract/routes.ts'

const usage = `A scripted player against a running deployment: signs in, reads, receives coins once, changes its profile.

  npm run demo                                                 the local stack, as .perigee/dev.json describes it
  npm run demo -- --url U --publishable-key P --server-key S   any deployment

Exits with 1 when a step is not as it should be.`

/** Where to go, and with which keys. */
const targetSchema = z.object({ edgeUrl: z.url(), publishableKey: z.string().min(1), serverKey: z.string().min(1) })
type Target = z.infer<typeof targetSchema>

/** How long an invalidation may take beyond the life of the nearest copy. */
const invalidationMaxMs = 1_000
/** A read may reach another isolate than the one before; so many may miss before one must hit. */
const readsMax = 5

const readTarget = async (): Promise<Target> => {
  const { values } = parseArgs({
    options: { url: { type: 'string' }, 'publishable-key': { type: 'string' }, 'server-key': { type: 'string' } },
  })
  const given = { edgeUrl: values.url, publishableKey: values['publishable-key'], serverKey: values['server-key'] }
  if (values.url) return targetSchema.parse(given)
  const local = await readFile(new URL('../.perigee/dev.json', import.meta.url), 'utf8').catch(() => {
    throw new Error(`No local stack runs here (start one with: npm run dev), and no --url was given.\n\n${usage}`)
  })
  return targetSchema.parse(JSON.parse(local))
}

/** Prints each request as it is answered: what was asked, status, latency, which tier answered. */
const tracedFetch = async (request: Request): Promise<Response> => {
  const startedAt = performance.now()
  const response = await fetch(request)
  const ms = (performance.now() - startedAt).toFixed(1).padStart(7)
  const asked = `${request.method.padEnd(5)} ${new URL(request.url).pathname}`
  const cacheStatus = response.headers.get('cache-status')
  console.log(`    ${asked.padEnd(76)} ${response.status} ${ms} ms${cacheStatus ? `  ${cacheStatus}` : ''}`)
  return response
}

const expectThat: (condition: boolean, message: string) => asserts condition = (condition, message) => {
  if (!condition) throw new Error(message)
}

/** The error that a call must end with. */
const failureOf = async (call: Promise<unknown>): Promise<CallError> => {
  try {
    await call
  } catch (error) {
    if (error instanceof CallError) return error
    throw error
  }
  throw new Error('the call should have been refused and was not')
}

type Player = { readonly id: PlayerId; readonly client: Client<typeof routes> }

const signIn = async (target: Target, displayName: string): Promise<Player> => {
  const { edgeUrl: baseUrl, publishableKey } = target
  const guest = createClient(routes, { baseUrl, fetch: tracedFetch, publishableKey })
  const { body } = await guest.signInWithDevice({ body: { deviceId: `demo-${randomUUID()}`, displayName } })
  expectThat(body.created, 'a device that nobody has seen makes a new player')
  return {
    id: body.player.id,
    client: createClient(routes, { baseUrl, fetch: tracedFetch, publishableKey, bearer: () => body.accessToken }),
  }
}

const play = async (target: Target): Promise<void> => {
  const step = (text: string) => console.log(`\n${text}`)

  step('Two guests sign in')
  const ada = await signIn(target, 'Ada')
  const bob = await signIn(target, 'Bob')
  const params = { playerId: ada.id }

  step('A profile is read from the core once, and from the cache after that')
  const statuses: string[] = []
  for (let read = 0; read < readsMax && !statuses.at(-1)?.includes('hit'); read++) {
    statuses.push((await bob.client.getProfile({ params })).headers.get('cache-status') ?? '')
  }
  expectThat(statuses[0]?.includes('fwd=miss') === true, 'the first read is a miss')
  expectThat(statuses.at(-1)?.includes('hit') === true, 'a later read is a hit')

  step('A grant whose answer got lost is sent again: one effect')
  const server = createClient(routes, { baseUrl: target.edgeUrl, fetch: tracedFetch, bearer: () => target.serverKey })
  const grant = { params, body: { changes: [{ currency: 'coins', amount: 100 }], reason: 'demo' } }
  const idempotencyKey = randomUUID()
  const first = await server.createWalletTransaction(grant, { idempotencyKey })
  const again = await server.createWalletTransaction(grant, { idempotencyKey })
  expectThat(again.headers.get('idempotency-replayed') === 'true', 'the second answer is the first one, replayed')
  expectThat(again.body.transactionId === first.body.transactionId, 'both name the same transaction')
  const coins = (await ada.client.getWallet()).body.balances.find(({ currency }) => currency === 'coins')
  expectThat(coins?.amount === 100, `the wallet holds 100 coins, once; it holds ${coins?.amount}`)

  step('Spending more than there is is refused, and says what is missing')
  const spend = { params, body: { changes: [{ currency: 'coins', amount: -250 }], reason: 'demo' } }
  const refusal = await failureOf(server.createWalletTransaction(spend))
  expectThat(refusal.is('insufficient_funds'), `the code is insufficient_funds; it is ${refusal.code}`)
  console.log(
    `    ${refusal.code}: has ${refusal.problem.balance} ${refusal.problem.currency}, needs ${refusal.problem.needed}`,
  )

  step('A profile change: its writer reads it at once, others within the bound')
  const displayName = `Ada ${Date.now() % 1_000}`
  await ada.client.updateOwnProfile({ body: { displayName } })
  const own = await ada.client.getProfile({ params })
  expectThat(own.body.displayName === displayName, 'the writer reads what it wrote')
  const boundMs = getProfile.delivery.freshMs + invalidationMaxMs
  const changedAt = performance.now()
  while ((await bob.client.getProfile({ params })).body.displayName !== displayName) {
    const lateMs = performance.now() - changedAt
    expectThat(
      lateMs <= boundMs,
      `another player still reads the old name after ${Math.round(lateMs)} ms; the bound is ${boundMs} ms`,
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  console.log(
    `    seen by another player after ${Math.round(performance.now() - changedAt)} ms; the bound is ${boundMs} ms`,
  )
}

try {
  const target = await readTarget()
  console.log(`Perigee at ${target.edgeUrl}`)
  await play(target)
  console.log('\nEverything is as it should be.')
} catch (error) {
  const code = error instanceof CallError ? ` (${error.status} ${error.code})` : ''
  console.error(`\nNot as it should be${code}: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
