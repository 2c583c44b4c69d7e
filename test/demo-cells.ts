import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { CallError } from '#contract/client.ts'
import { cellOf } from '#contract/ids.ts'
import {
  expectThat,
  failureOf,
  type Place,
  type Player,
  readUntilHit,
  serverOf,
  signIn,
  step,
  type Target,
} from './demo-player.ts'

/** What `.perigee/dev.json` says of a stack of several cells. */
export const cellsSchema = z.object({
  controlCell: z.string(),
  cells: z.record(z.string(), z.object({ near: z.array(z.string()).min(1) })),
  pids: z.record(z.string(), z.number().int().positive()),
})
export type Cells = z.infer<typeof cellsSchema>

/** How long a cell that goes on may take until all is as before: an edge tries a core that was silent once a second. */
const recoveryMaxMs = 10_000
const pauseMs = 250

/** Two players in two cells: who lives where, who reads whom, and what a cell does without the control cell. */
export const playCells = async (target: Target, stack: Cells): Promise<void> => {
  const control = placeOf(stack, stack.controlCell)
  const other = placeOf(stack, Object.keys(stack.cells).find((cell) => cell !== control.cell) ?? '')

  step(`Two guests sign in, one near ${control.cell}, one near ${other.cell}; their ids say where they live`)
  const ada = await signIn(target, { displayName: 'Ada', place: control })
  const bob = await signIn(target, { displayName: 'Bob', place: other })
  for (const [player, { cell }] of [
    [ada, control],
    [bob, other],
  ] as const) {
    expectThat(
      cellOf(player.id) === cell,
      `a player who signs up near ${cell} lives in ${cell}; it is ${cellOf(player.id)}`,
    )
    console.log(`    ${player.id} lives in ${cell}`)
  }

  step(`The first signs in from near ${other.cell}: the same player, who still lives in ${control.cell}`)
  const travelling = await signIn(target, { deviceId: ada.deviceId, place: other })
  expectThat(travelling.id === ada.id && !travelling.created, `${ada.id} signs in; it is ${travelling.id}`)

  step(`The first reads the profile of the second: from the core of ${other.cell} once, and from the cache after that`)
  await readUntilHit(ada, bob.id)

  step('A server grants coins to each: they arrive where the player lives, wherever the player is')
  const server = serverOf(target)
  const grant = { changes: [{ currency: 'coins', amount: 100 }], reason: 'demo' }
  for (const player of [travelling, bob]) {
    await server.createWalletTransaction({ params: { playerId: player.id }, body: grant })
    const coins = (await player.client.getWallet()).body.balances.find(({ currency }) => currency === 'coins')
    expectThat(coins?.amount === 100, `the wallet holds 100 coins; it holds ${coins?.amount}`)
  }

  const newcomer = await withoutControl(target, stack, { control, other, ada, bob })

  step(
    `The core of ${control.cell} goes on, and so do all: the refused sign-up, sent again, makes a player of ${other.cell}`,
  )
  const late = await untilDone(() => signIn(target, { deviceId: newcomer, place: other }))
  expectThat(cellOf(late.id) === other.cell, `the new player lives in ${other.cell}; it is ${cellOf(late.id)}`)
  const back = await untilDone(() => signIn(target, { deviceId: ada.deviceId, place: control }))
  expectThat(back.id === ada.id, `${ada.id} signs in; it is ${back.id}`)
}

type Scene = { readonly control: Place; readonly other: Place; readonly ada: Player; readonly bob: Player }

/** Holds the control cell's core for as long as three sign-ins take. Answers with the device whose sign-up was refused. */
const withoutControl = async (target: Target, stack: Cells, { control, other, ada, bob }: Scene): Promise<string> => {
  const pid = stack.pids[`core-${control.cell}`]
  if (pid === undefined) throw new Error(`.perigee/dev.json does not say which process the core of ${control.cell} is`)
  const newcomer = `demo-${randomUUID()}`
  // Held rather than killed: callers are left waiting, which is the harder case, and the stack is whole again afterwards.
  const goOn = () => process.kill(pid, 'SIGCONT')
  // A demo that is interrupted must not leave it held.
  process.once('exit', goOn)
  const interrupt = () => process.exit(1)
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  process.kill(pid, 'SIGSTOP')
  try {
    step(
      `The core of ${control.cell}, the control cell, is held (kill -STOP ${pid}); a player of ${other.cell} signs in`,
    )
    const again = await signIn(target, { deviceId: bob.deviceId, place: other })
    expectThat(again.id === bob.id, `${bob.id} signs in; it is ${again.id}`)

    step(`Nobody signs up near ${other.cell}, since the control cell keeps the list of who signs in with what`)
    await expectUnavailable(signIn(target, { deviceId: newcomer, place: other }))

    step(`No player of ${control.cell} signs in`)
    await expectUnavailable(signIn(target, { deviceId: ada.deviceId, place: control }))
  } finally {
    process.off('exit', goOn).off('SIGINT', interrupt).off('SIGTERM', interrupt)
    goOn()
  }
  return newcomer
}

const expectUnavailable = async (call: Promise<unknown>): Promise<void> => {
  const refusal = await failureOf(call)
  const retryAfter = refusal.headers.get('retry-after')
  expectThat(refusal.status === 503, `the status is 503; it is ${refusal.status} (${refusal.code})`)
  expectThat(retryAfter !== null, 'the answer says when to come back')
  console.log(`    ${refusal.code}; Retry-After: ${retryAfter} s`)
}

/** Tries for as long as the answer is 503, within the bound. */
const untilDone = async <Result>(attempt: () => Promise<Result>): Promise<Result> => {
  const lastMs = performance.now() + recoveryMaxMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof CallError && error.status === 503) || performance.now() > lastMs) throw error
    }
    await sleep(pauseMs)
  }
}

/** @throws Error when the stack has no such cell */
const placeOf = ({ cells }: Cells, cell: string): Place => {
  const continent = cells[cell]?.near[0]
  if (continent === undefined) throw new Error(`.perigee/dev.json has no cell ${cell} that callers are near to`)
  return { cell, continent }
}
