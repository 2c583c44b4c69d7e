import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { CallError } from '#contract/client.ts'
import { getProfile } from '#contract/players.ts'
import { type Cells, cellsSchema, playCells } from './demo-cells.ts'
import { playLiveOps } from './demo-live-ops.ts'
import {
  expectThat,
  failureOf,
  type Player,
  readUntilHit,
  serverOf,
  signIn,
  step,
  type Target,
  targetSchema,
} from './demo-player.ts'

const usage = `A scripted player against a running deployment: signs in, reads, receives coins once, changes its profile.
Where the local stack has several cells, two players in two of them after that, for a while without the control cell.

  npm run demo                                                 the local stack, as .perigee/dev.json describes it
  npm run demo -- --url U --publishable-key P --server-key S   any deployment
                  --operator-key O                             and publishes a flag and a live event of its own there

Exits with 1 when a step is not as it should be.`

/** How long an invalidation may take beyond the life of the nearest copy. */
const invalidationMaxMs = 1_000

/** Where to go; and the cells, where they are several of this machine's. */
const readTarget = async (): Promise<{ readonly target: Target; readonly stack?: Cells }> => {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      'publishable-key': { type: 'string' },
      'server-key': { type: 'string' },
      'operator-key': { type: 'string' },
    },
  })
  const given = {
    edgeUrl: values.url,
    publishableKey: values['publishable-key'],
    serverKey: values['server-key'],
    operatorKey: values['operator-key'],
  }
  if (values.url) return { target: targetSchema.parse(given) }
  const text = await readFile(new URL('../.perigee/dev.json', import.meta.url), 'utf8').catch(() => {
    throw new Error(`No local stack runs here (start one with: npm run dev), and no --url was given.\n\n${usage}`)
  })
  const local: unknown = JSON.parse(text)
  const stack = cellsSchema.parse(local)
  return { target: targetSchema.parse(local), ...(Object.keys(stack.cells).length > 1 ? { stack } : {}) }
}

const play = async (target: Target): Promise<Player> => {
  step('Two guests sign in')
  const ada = await signIn(target, { displayName: 'Ada' })
  const bob = await signIn(target, { displayName: 'Bob' })
  expectThat(ada.created && bob.created, 'a device that nobody has seen makes a new player')
  const params = { playerId: ada.id }

  step('A profile is read from the core once, and from the cache after that')
  await readUntilHit(bob, ada.id)

  step('A grant whose answer got lost is sent again: one effect')
  const server = serverOf(target)
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
  return ada
}

try {
  const { target, stack } = await readTarget()
  console.log(`Perigee at ${target.edgeUrl}`)
  const player = await play(target)
  const { operatorKey } = target
  if (operatorKey) await playLiveOps({ ...target, operatorKey }, player)
  else step('Flags and live events are left out: there is no --operator-key')
  if (stack) await playCells(target, stack)
  console.log('\nEverything is as it should be.')
} catch (error) {
  const code = error instanceof CallError ? ` (${error.status} ${error.code})` : ''
  console.error(`\nNot as it should be${code}: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
