import { type Cell, cellOf, newId, type PlayerId, type SessionId } from '#contract/ids.ts'
import { Fault } from '#contract/problem.ts'
import {
  type DirectoryAnswer,
  type DirectoryMoved,
  type DirectoryQuestion,
  directoryAnswerSchema,
  directoryMovedSchema,
} from '#contract/replication.ts'
import type { Database, Tx } from '#db/client.ts'
import {
  type Credential,
  type CredentialRow,
  claimCredential,
  type EventOrigin,
  findHolding,
  followCredential,
  type Holding,
  moveCopies,
  moveCredentials,
  releaseCredential,
  tellCredentials,
} from '#db/credentials.ts'
import { hasBecome } from '#db/players.ts'
import type { Claim } from '#db/register.ts'
import type { Neighbours } from './config.ts'
import type { Origin, Peers } from './peers.ts'

/** Where between cells the directory's questions go. */
export const directoryPath = '/internal/directory'
/** Of two claims at once the second may find neither its own nor, yet, the other's. */
const attemptsMax = 3

/**
 * Whose a credential is in the whole deployment. The control cell decides, so that of two first sign-ins in two cells one
 * makes the player; every other cell keeps a copy, by which it signs in without asking.
 *
 * All but `place` in the control cell may throw Fault `unavailable`: the control cell does not answer.
 */
export type Directory = {
  /** Whose it is; undefined for nobody's. */
  find(credential: Credential, origin: Origin): Promise<PlayerId | undefined>
  /** Makes it a player's, if it is nobody's, and answers whose it is. Called again it answers the same. */
  claim(credential: Credential, playerId: PlayerId, origin: Origin): Promise<PlayerId>
  /**
   * Makes it nobody's, if it is this player's, also by a merge that the control cell has not heard of. Called again it changes
   * nothing.
   */
  release(credential: Credential, playerId: PlayerId, origin: Origin): Promise<void>
  /**
   * Whose it will be when a player of this id is made now, and how: the control cell claims it together with the player; any
   * other has claimed it by the time that this answers, perhaps for a player who was to be made before.
   */
  place(credential: Credential, playerId: PlayerId, origin: Origin): Promise<{ playerId: PlayerId; claim: Claim }>
  /**
   * Within the transaction that makes one player of two: all that signs in the one signs in the other, in this cell from its
   * commit on. In the control cell that is all there is to do; any other tells it afterwards, by `move`.
   */
  moveIn(tx: Tx, players: MovedPlayers, origin: Pick<Origin, 'now' | 'traceparent'>): Promise<void>
  /** The same in the control cell, which tells all others. Called again it changes nothing. */
  move(players: MovedPlayers, origin: Origin): Promise<void>
}

/** Two players of one cell, of whom the one is to be no more. */
export type MovedPlayers = { readonly from: PlayerId; readonly to: PlayerId }

export type DirectoryOptions = {
  readonly cell: Cell
  readonly neighbours: Neighbours
  readonly database: Database
  readonly peers: Peers
}

export const createDirectory = (options: DirectoryOptions): Directory =>
  options.cell === options.neighbours.control ? directoryOfControl(options) : directoryOfFollower(options)

const directoryOfControl = (options: DirectoryOptions): Directory => ({
  ...holdingsOfControl(options),
  moveIn: async (tx, players, origin) => void (await moveAll(options, tx, { players, origin })),
  move: async (players, origin) => {
    const db = options.database.until(origin.deadlineAt)
    await db.transaction((tx) => moveAll(options, tx, { players, origin }))
  },
})

const holdingsOfControl = ({ cell, neighbours, database }: DirectoryOptions): Omit<Directory, 'move' | 'moveIn'> => ({
  find: async (credential, { deadlineAt }) =>
    (await findHolding(database, credential, deadlineAt))?.playerId ?? undefined,
  claim: async (credential, playerId, origin) =>
    ownerOf(await claim(database, credential, { playerId, origin: eventOf(cell, origin) })),
  release: async (credential, playerId, origin) => {
    await releaseCredential(database, credential, { playerId, origin: eventOf(cell, origin) })
  },
  place: async (_, playerId, { now }) => ({
    playerId,
    claim:
      neighbours.others.size === 0 ? { by: 'alone' } : { by: 'control', eventId: newId('event', cell, now.getTime()) },
  }),
})

const directoryOfFollower = ({ neighbours: { control }, database, peers }: DirectoryOptions): Directory => {
  /** What the control cell says, which this one knows from then on. */
  const ask = async (question: HoldingQuestion, origin: Origin): Promise<Holding> => {
    const answer = directoryAnswerSchema.parse(await peers.ask(control, directoryPath, question, origin))
    const holding = { ...answer, createdAt: new Date(answer.createdAt) }
    const { provider, credentialHash } = question
    const db = database.until(origin.deadlineAt)
    if (holding.version > 0) await followCredential(db, { provider, credentialHash, ...holding })
    return holding
  }
  const isNow = async (holder: PlayerId, playerId: PlayerId, { deadlineAt }: Origin): Promise<boolean> =>
    holder === playerId || hasBecome(database.until(deadlineAt), { from: holder, to: playerId })
  return {
    find: async (credential, origin) => (await ask({ ask: 'find', ...bare(credential) }, origin)).playerId ?? undefined,
    claim: async (credential, playerId, origin) =>
      ownerOf(await ask({ ask: 'claim', ...bare(credential), playerId }, origin)),
    release: async (credential, playerId, origin) => {
      let holder = playerId
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        const left = await ask({ ask: 'release', ...bare(credential), playerId: holder }, origin)
        if (left.playerId === null || !(await isNow(left.playerId, playerId, origin))) return
        // Whoever has become this player in a merge that the control cell has not heard of, or has just heard of.
        holder = left.playerId
      }
      throw new Fault('unavailable', { detail: 'the credential changes hands' })
    },
    place: async (credential, playerId, origin) => {
      const holding = await ask({ ask: 'claim', ...bare(credential), playerId }, origin)
      return { playerId: ownerOf(holding), claim: { by: 'follower', version: holding.version } }
    },
    moveIn: (tx, players) => moveCopies(tx, players),
    move: async (players, origin) => {
      directoryMovedSchema.parse(await peers.ask(control, directoryPath, { ask: 'move', ...players }, origin))
    },
  }
}

/** What of a credential is another cell's business. Callers have more of it in hand, such as what a password is checked against. */
const bare = ({ provider, credentialHash }: Credential): Credential => ({ provider, credentialHash })
/** A question about one credential. */
type HoldingQuestion = Exclude<DirectoryQuestion, { readonly ask: 'move' }>

/** In the control cell: moves all that signs a player in, and tells the other cells, if there are any. */
const moveAll = async (
  { cell, neighbours }: DirectoryOptions,
  tx: Tx,
  { players, origin }: { readonly players: MovedPlayers; readonly origin: Pick<Origin, 'now' | 'traceparent'> },
): Promise<readonly CredentialRow[]> => {
  const moved = await moveCredentials(tx, { ...players, now: origin.now })
  if (neighbours.others.size > 0) await tellCredentials(tx, moved, { cell, now: origin.now })
  return moved
}

/** The control cell's answer to another cell. @throws Fault `misdirected` in any other */
export const answerDirectory = async (
  options: DirectoryOptions,
  question: DirectoryQuestion,
  origin: Pick<Origin, 'now' | 'traceparent' | 'deadlineAt'>,
): Promise<DirectoryAnswer | DirectoryMoved> => {
  const { cell, neighbours, database } = options
  const { control } = neighbours
  if (cell !== control) throw new Fault('misdirected', { extras: { cell: control } })
  if (question.ask === 'move') {
    const { from, to } = question
    const db = database.until(origin.deadlineAt)
    const moved = await db.transaction((tx) => moveAll(options, tx, { players: { from, to }, origin }))
    return { moved: moved.length }
  }
  const { provider, credentialHash } = question
  const holding = await answer(database, { provider, credentialHash }, { question, origin: eventOf(cell, origin) })
  const { playerId, version, createdAt } = holding ?? { playerId: null, version: 0, createdAt: origin.now }
  return { playerId, version, createdAt: createdAt.toISOString() }
}

const answer = (
  database: Database,
  credential: Credential,
  { question, origin }: { readonly question: HoldingQuestion; readonly origin: EventOrigin },
): Promise<Holding | undefined> => {
  switch (question.ask) {
    case 'find':
      return findHolding(database, credential, origin.deadlineAt)
    case 'claim':
      return claim(database, credential, { playerId: question.playerId, origin })
    case 'release':
      return releaseCredential(database, credential, { playerId: question.playerId, origin })
  }
}

const claim = async (...parameters: Parameters<typeof claimCredential>): Promise<Holding> => {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const holding = await claimCredential(...parameters)
    if (holding) return holding
  }
  throw new Fault('unavailable', { detail: 'too many claims of the same credential' })
}

const ownerOf = ({ playerId }: Holding): PlayerId => {
  if (playerId === null) throw new Error('a credential that was claimed belongs to nobody')
  return playerId
}

const eventOf = (
  cell: Cell,
  { now, traceparent, deadlineAt }: Pick<Origin, 'now' | 'traceparent' | 'deadlineAt'>,
): EventOrigin => ({
  eventId: newId('event', cell, now.getTime()),
  now,
  traceparent,
  deadlineAt,
})

/** Sends a request on to the cell where a player or session lives. @throws Fault `misdirected` for one of another cell */
export const requireHome = (own: Cell, id: PlayerId | SessionId): void => {
  const cell = cellOf(id)
  if (cell !== own) throw new Fault('misdirected', { extras: { cell } })
}
