import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { CallError } from '#contract/client.ts'
import { cellOf } from '#contract/ids.ts'
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
                  --cell C                                     and checks that its players live in that cell, as they
                                                               do with a key that was made with --home C

Players that it makes in a deployment that was named by --url ask for their deletion at the end.
Exits with 1 when a step is not as it should be.`

/** How long an invalidation may take beyond the life of the nearest copy. */
const invalidationMaxMs = 1_000

/** Where to go, and what else is to be so there. */
type Plan = {
  readonly target: Target
  /** The cells, where they are several of this machine's. */
  readonly stack?: Cells
  /** Where players must be at home. */
  readonly home?: string | undefined
  /** The deployment is no toy: nobody is to be left behind. */
  readonly tidy: boolean
}

const readPlan = async (): Promise<Plan> => {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      'publishable-key': { type: 'string' },
      'server-key': { type: 'string' },
      'operator-key': { type: 'string' },
      cell: { type: 'string' },
    },
  })
  const given = {
    edgeUrl: values.url,
    publishableKey: values['publishable-key'],
    serverKey: values['server-key'],
    operatorKey: values['operator-key'],
  }
  if (values.url) return { target: targetSchema.parse(given), home: values.cell, tidy: true }
  const text = await readFile(new URL('../.perigee/dev.json', import.meta.url), 'utf8').catch(() => {
    throw new Error(`No local stack runs here (start one with: npm run dev), and no --url was given.\n\n${usage}`)
  })
  const local: unknown = JSON.parse(text)
  const stack = cellsSchema.parse(local)
  return { target: targetSchema.parse(local), ...(Object.keys(stack.cells).length > 1 ? { stack } : {}), tidy: false }
}

const play = async (target: Target, home: string | undefined): Promise<readonly [Player, Player]> => {
  step('Two guests sign in')
  const ada = await signIn(target, { displayName: 'Ada' })
  const bob = await signIn(target, { displayName: 'Bob' })
  expectThat(ada.created && bob.created, 'a device that nobody has seen makes a new player')
  for (const { id } of [ada, bob])
    expectThat(home === undefined || cellOf(id) === home, `${id} lives in ${home}; it is ${cellOf(id)}`)
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
  return [ada, bob]
}

const leave = async (players: readonly Player[]): Promise<void> => {
  step('Both ask for their accounts to be deleted: nothing is left of them after the grace')
  for (const { id, client } of players) {
    const { body } = await client.deleteOwnAccount()
    console.log(`    ${id} is erased at ${body.deleteAt}`)
  }
}

try {
  const { target, stack, home, tidy } = await readPlan()
  console.log(`Perigee at ${target.edgeUrl}`)
  const players = await play(target, home)
  const { operatorKey } = target
  if (operatorKey) await playLiveOps({ ...target, operatorKey }, players[0])
  else step('Flags and live events are left out: there is no --operator-key')
  if (stack) await playCells(target, stack)
  if (tidy) await leave(players)
  console.log('\nEverything is as it should be.')
} catch (error) {
  const code = error instanceof CallError ? ` (${error.status} ${error.code})` : ''
  console.error(`\nNot as it should be${code}: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
