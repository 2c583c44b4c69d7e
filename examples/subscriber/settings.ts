/** What the service is told by its environment. */
export type Settings = {
  readonly project: string
  /** `host:port` of an emulator; undefined for the real service. */
  readonly emulatorHost: string | undefined
  readonly topic: string
  readonly subscription: string
  readonly databaseUrl: string
}

/** @throws Error that says what is missing, and what for */
export const parseSettings = (env: Readonly<Record<string, string | undefined>>): Settings => {
  const emulatorHost = env.PUBSUB_EMULATOR_HOST || undefined
  const project = env.PUBSUB_PROJECT
  const databaseUrl = env.DATABASE_URL
  if (!project)
    throw new Error(
      'This service gets its events from Pub/Sub. Set PUBSUB_PROJECT to the Google Cloud project of the topic and, for an emulator, PUBSUB_EMULATOR_HOST to its host:port.',
    )
  if (!databaseUrl)
    throw new Error('Set DATABASE_URL to a Postgres, in which this service makes the schema wallet_copy.')
  return {
    project,
    emulatorHost,
    topic: env.PUBSUB_TOPIC || 'perigee-events',
    subscription: env.PUBSUB_SUBSCRIPTION || 'wallet-copy',
    databaseUrl,
  }
}
