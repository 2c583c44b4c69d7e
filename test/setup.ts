import type { TestProject } from 'vitest/node'
import { findPubSubEmulator } from '#infra/local/pubsub.ts'
import { borrowed, type Services, startServices } from './services.ts'

declare module 'vitest' {
  interface ProvidedContext extends Services {}
}

/** Starts what all test files share, once, unless another run lends it; says what it is; stops it at the end. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const lent = borrowed()
  const { stop, scratchFolder, postgres, redisUrl, edgeBundle, bus } = lent
    ? { ...lent, stop: async () => {} }
    : await startServices()
  provide('scratchFolder', scratchFolder)
  provide('postgres', postgres)
  provide('redisUrl', redisUrl)
  provide('edgeBundle', edgeBundle)
  provide('bus', bus)
  console.log('Postgres: 18, embedded, real; commits are not flushed to disk')
  console.log(
    redisUrl
      ? 'Redis: the one on PATH'
      : 'Redis: none on PATH; the no-Redis mode and the memory store are what is tested',
  )
  console.log(
    findPubSubEmulator()
      ? "Pub/Sub: Google's emulator, one a test file"
      : 'Pub/Sub: no emulator with Java; the relay hands events to the consumers',
  )
  console.log('Edge: the bundle that a deployment uploads, in workerd')
  return stop
}
