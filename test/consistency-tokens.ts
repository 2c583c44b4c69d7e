import { createHmac } from 'node:crypto'
import { parseNamedKeys } from '#contract/edge-request.ts'
import type { Moved } from '#contract/events.ts'
import type { World } from './harness.ts'
import type { Caller } from './profile-calls.ts'

/** A token as the world's edge would give it to a caller whose write moved all this: no route of today moves more than one tag. */
export const tokenOf = ({ secrets }: World, { playerId }: Caller, moved: readonly Moved[]): string => {
  const [key] = parseNamedKeys(secrets.edgeKeys)
  const at = Date.now()
  const payload = btoa(JSON.stringify({ since: 0, moved: moved.map((one) => ({ ...one, at })) }))
  const mac = createHmac('sha256', key.secret).update(`consistency\n${playerId}\n${payload}`).digest('hex')
  return `${key.keyId}.${payload}.${mac}`
}
