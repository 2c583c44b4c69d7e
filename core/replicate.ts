import { type ReplicaType, replicas } from '#contract/replication.ts'
import type { Database } from '#db/client.ts'
import { followVersion } from '#db/content.ts'
import { followCredential } from '#db/credentials.ts'
import { followApiKey } from '#db/keys.ts'
import { followCurrency } from '#db/wallet.ts'
import type { BusMessage, Subscriber } from '#infra/event-bus.ts'
import { parseEvent, type ReceivedEvent } from './cloud-event.ts'
import type { Neighbours } from './config.ts'
import type { Consumer } from './consumer.ts'
import { encodeMessage, replicationPath } from './internal.ts'
import type { Peers } from './peers.ts'

const types = Object.keys(replicas) as ReplicaType[]

/**
 * Keeps what the control cell says of the things that are its to decide. Each message is the whole state of one thing, and
 * the row has its version: a message that is not newer changes nothing, in whatever order they come.
 */
export const createFollower = ({ db, ping }: Database): Consumer => ({
  name: 'replicate',
  available: ping,
  handle: async (message) => {
    const event = parseEvent(message, types)
    if (event) await follow(db, event)
  },
})

const follow = (db: Database['db'], { type, version, data }: ReceivedEvent<ReplicaType>): Promise<void> => {
  switch (type) {
    case 'perigee.replica.credential.v1':
      return followCredential(db, { ...data, version, createdAt: new Date(data.createdAt) })
    case 'perigee.replica.key.v1':
      return followApiKey(db, {
        ...data,
        version,
        createdAt: new Date(data.createdAt),
        expiresAt: data.expiresAt === null ? null : new Date(data.expiresAt),
        revokedAt: data.revokedAt === null ? null : new Date(data.revokedAt),
      })
    case 'perigee.replica.currency.v1':
      return followCurrency(db, { ...data, version })
    case 'perigee.replica.content.v1':
      return followVersion(db, { ...data, version, document: null, publishedAt: new Date(data.publishedAt) })
  }
}

/** How long a cell may take to take a message, where there is no Pub/Sub in between. */
const handOverMaxMs = 5_000

/** For a machine without Pub/Sub: a subscriber for each other cell that hands messages to its core. */
export const handOver = ({
  peers,
  neighbours,
  prefix,
  clock,
}: {
  readonly peers: Peers
  readonly neighbours: Neighbours
  readonly prefix: string
  readonly clock: () => number
}): Subscriber[] =>
  [...neighbours.others.keys()].map((cell) => ({
    topic: 'replication',
    name: `${prefix}hand-over-${cell}`,
    available: () => peers.ping(cell),
    handle: async (message: BusMessage) => {
      const now = new Date(clock())
      const { 'ce-id': requestId = '', 'ce-traceparent': traceparent = '' } = message.attributes
      const origin = { now, requestId, traceparent, deadlineAt: now.getTime() + handOverMaxMs }
      await peers.ask(cell, replicationPath, encodeMessage(message), origin)
    },
  }))
