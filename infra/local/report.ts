import type { LocalKeys } from './keys.ts'
import type { Running } from './services.ts'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 80

const seconds = (sinceMs: number) => `${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`

/**
 * Does the work and shows that it goes on: on a terminal a spinner that becomes one line, elsewhere that line alone.
 */
export const step = async <Result>(label: string, work: () => Promise<Result>): Promise<Result> => {
  const startedMs = performance.now()
  const terminal = process.stdout.isTTY
  let frame = 0
  const spin = () => process.stdout.write(`\r${frames[frame++ % frames.length]} ${label} `)
  const timer = terminal ? setInterval(spin, frameMs) : undefined
  const finish = (mark: string) => {
    clearInterval(timer)
    console.log(`${terminal ? '\r' : ''}${mark} ${label} (${seconds(startedMs)})`)
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
