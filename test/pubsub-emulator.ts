import { join } from 'node:path'
import { inject } from 'vitest'
import { freePort } from '#infra/local/ports.ts'
import { findPubSubEmulator, startPubSubEmulator } from '#infra/local/pubsub.ts'

let host: Promise<string | null> | undefined

/**
 * Where the Pub/Sub emulator of a test file listens, as PUBSUB_EMULATOR_HOST takes it; null where the machine has none. It starts when
 * it is first asked for, and ends with the file's process.
 *
 * One for all files would slow down: for each ordering key that a subscription has ever delivered the emulator keeps a thread that
 * wakes. After half of the tests there were 5,800, which took half of a core and more.
 */
export const pubsubEmulatorHost = (): Promise<string | null> => {
  host ??= start()
  return host
}

const start = async (): Promise<string | null> => {
  const found = findPubSubEmulator()
  if (!found) return null
  const port = await freePort()
  const logFile = join(inject('scratchFolder'), `pubsub-${port}.log`)
  return (await startPubSubEmulator({ found, port, logFile })).host
}
