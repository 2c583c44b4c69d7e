import type { Metric } from '#infra/telemetry.ts'

/**
 * All that the core measures, by the names of OpenTelemetry's semantic conventions where they have one.
 * `docs/observability.md` says what each is by.
 */
export const metrics = {
  requestDuration: {
    name: 'http.server.request.duration',
    unit: 's',
    description: 'How long requests took, by route, method and status.',
  },
  requests: {
    name: 'perigee.requests',
    unit: '{request}',
    description: 'Requests that were answered, and those that failed by what is ours to mend.',
  },
  setSize: { name: 'perigee.set.size', unit: '{command}', description: 'How many commands went in one statement.' },
  setDuration: { name: 'perigee.set.duration', unit: 's', description: 'How long the statement of a set took.' },
  setWaiting: { name: 'perigee.set.waiting', unit: '{command}', description: 'Commands that wait for the next set.' },
  outboxUnpublished: {
    name: 'perigee.outbox.unpublished',
    unit: '{event}',
    description: 'Events that wait to be published, counted up to a bound.',
  },
  outboxOldest: {
    name: 'perigee.outbox.oldest.age',
    unit: 's',
    description: 'Since when the oldest event waits to be published.',
  },
  published: { name: 'perigee.outbox.published', unit: '{event}', description: 'Events that the bus took or refused.' },
  deadLetters: {
    name: 'perigee.dead_letters',
    unit: '{event}',
    description: 'Dead letters that wait for somebody, counted up to a bound.',
  },
  consumerLag: {
    name: 'perigee.consumer.lag',
    unit: 's',
    description: 'From what happened until a consumer had taken its event.',
  },
  consumed: {
    name: 'perigee.consumer.deliveries',
    unit: '{event}',
    description: 'Events that consumers took or failed at.',
  },
  databaseStatements: {
    name: 'perigee.database.statements',
    unit: '{statement}',
    description: 'Statements under way, those that wait included.',
  },
  databaseTransactions: {
    name: 'perigee.database.transactions',
    unit: '{transaction}',
    description: 'Transactions, those that wait for a connection included.',
  },
  databaseConnections: {
    name: 'db.client.connection.max',
    unit: '{connection}',
    description: 'Connections that a pool has at the most.',
  },
  admissionLimit: {
    name: 'perigee.admission.limit',
    unit: '{request}',
    description: 'Requests that are let in at once.',
  },
  admissionWaiting: {
    name: 'perigee.admission.waiting',
    unit: '{request}',
    description: 'Requests that wait for room.',
  },
  admissionInFlight: { name: 'perigee.admission.in_flight', unit: '{request}', description: 'Requests under way.' },
  admissionAdmitted: { name: 'perigee.admission.admitted', unit: '{request}', description: 'Requests let in.' },
  admissionRefused: {
    name: 'perigee.admission.refused',
    unit: '{request}',
    description: 'Requests refused for want of room.',
  },
  limiterCounted: {
    name: 'perigee.limiter.counted',
    unit: '{call}',
    description: 'Calls counted against an allowance.',
  },
  redisCommands: {
    name: 'perigee.redis.commands',
    unit: '{command}',
    description: 'Commands that Redis took or failed at.',
  },
  limiterRefused: { name: 'perigee.limiter.refused', unit: '{call}', description: "Calls above a caller's allowance." },
  eventLoopDelay: {
    name: 'perigee.event_loop.delay',
    unit: 's',
    description: "How late the event loop's timers were since the last export.",
  },
  dependencyUp: {
    name: 'perigee.dependency.up',
    unit: '1',
    description: 'Whether what the core stands on answered when it was last asked, 1 or 0.',
  },
} as const satisfies Readonly<Record<string, Metric>>
