import type { InCells, LocalCell } from './cells.ts'
import type { LocalKeys } from './keys.ts'
import type { Running } from './services.ts'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 80

const seconds = (sinceMs: number) => `${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`

/** What goes on now; several steps may at once. */
const underWay = new Set<string>()
/** Clears the terminal's line and goes back to its beginning. */
const clearLine = '\r\x1b[K'
let frame = 0

const spin = () => process.stdout.write(`${clearLine}${frames[frame++ % frames.length]} ${[...underWay].join(', ')} `)

/**
 * Does the work and shows that it goes on: on a terminal a spinner that becomes one line, elsewhere that line alone.
 */
export const step = async <Result>(label: string, work: () => Promise<Result>): Promise<Result> => {
  const startedMs = performance.now()
  const terminal = process.stdout.isTTY
  underWay.add(label)
  const timer = terminal ? setInterval(spin, frameMs) : undefined
  const finish = (mark: string) => {
    clearInterval(timer)
    underWay.delete(label)
    console.log(`${terminal ? clearLine : ''}${mark} ${label} (${seconds(startedMs)})`)
  }
  try {
    const result = await work()
    finish('✓')
    return result
  } catch (error) {
    finish('✗')
    throw error
  }
}

/** One line about something that was decided and takes no time. */
export const note = (text: string): void => console.log(`- ${text}`)

/** What runs where. */
export const printServices = (services: readonly Running[]): void => {
  const rows = [['', 'address', 'log'], ...services.map(({ name, address, child }) => [name, address, child.logFile])]
  const widthOf = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  const widths = [0, 1].map(widthOf)
  console.log('')
  for (const row of rows) console.log(`  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`)
}

/** Which cell is whose, and how a caller on this machine comes to be near it; nothing where there is but one. */
export const printCells = ([control, ...others]: InCells<LocalCell>): void => {
  if (others.length === 0) return
  console.log(`\n  ${control.cell} is the control cell, and nearest to ${control.near.join(', ')}`)
  for (const { cell, near } of others)
    console.log(`  ${cell} is nearest to ${near.join(', ')}: call with -H 'MF-CF-Blob: {"continent":"${near[0]}"}'`)
}

/** Three calls that can be pasted into any shell, in this order. */
export const printExamples = (edgeUrl: string, keys: LocalKeys): void => {
  const json = `-H 'Content-Type: application/json'`
  const pick = (name: string, pattern: string) =>
    `$(printf %s "$SESSION" | sed -E 's/.*"${name}":"(${pattern})".*/\\1/')`
  console.log(`
  Sign in, grant, read:

SESSION=$(curl -s ${edgeUrl}/v1/auth/device -H 'X-API-Key: ${keys.publishable}' ${json} -d '{"deviceId":"a-device-of-my-own"}'); PLAYER=${pick('id', 'ply_[^"]*')}; TOKEN=${pick('accessToken', '[^"]*')}; echo "$SESSION"
curl -s "${edgeUrl}/v1/players/$PLAYER/wallet/transactions" -H 'Authorization: Bearer ${keys.server}' -H "Idempotency-Key: welcome-$PLAYER" ${json} -d '{"changes":[{"currency":"coins","amount":100}],"reason":"welcome"}'; echo
curl -s ${edgeUrl}/v1/wallet -H "Authorization: Bearer $TOKEN"; echo
`)
}
