import { parseNamedKeys } from '#contract/edge-request.ts'
import { newId, type PlayerId, type SessionId } from '#contract/ids.ts'
import { argon2id, createPasswords } from '#core/auth/password.ts'
import { createSessionIssuer } from '#core/auth/session-issuer.ts'
import { createSecrets, sha256 } from '#core/secrets.ts'
import { createSignerSource } from '#core/signing-keys.ts'
import { credentials, passwords } from '#db/credentials.ts'
import { players } from '#db/players.ts'
import { sessions } from '#db/sessions.ts'
import { wallets } from '#db/wallet.ts'
import { cell, type World } from './harness.ts'
import { makeSpareOperators, type SpareOperator } from './spare-operators.ts'

/** The password of each of them, whose addresses nobody knows. */
export const sparePassword = 'a spare phrase of theirs'

/** A session of a player who has no other, and who could sign in by device or by address. */
export type SpareSession = {
  readonly playerId: PlayerId
  readonly sessionId: SessionId
  readonly accessToken: string
  readonly refreshToken: string
}

/** Sessions that nobody misses: a call that ends the session that it is made in has a new one each time. */
export type SpareSessions = {
  /** One that was not handed out before. @throws Error when there are no more */
  next(): SpareSession
  /** The same of an operator, whose next code was not taken. */
  nextOperator(): SpareOperator
}

/** Rows of one statement: Postgres takes 65,535 parameters. */
const batchMax = 2_000

/** Makes them all at once, as if their players had just signed in: a test that looks for changes must find none later. */
export const makeSpareSessions = async (world: World, count: number): Promise<SpareSessions> => {
  const made: SpareSession[] = []
  while (made.length < count) made.push(...(await makeBatch(world, Math.min(batchMax, count - made.length))))
  const operators: SpareOperator[] = []
  while (operators.length < count)
    operators.push(...(await makeSpareOperators(world, { count: Math.min(batchMax, count - operators.length) })))
  const left = made.values()
  const operatorsLeft = operators.values()
  const usedUp = () => new Error(`the ${count} spare sessions are used up: have makeSpareSessions make more`)
  return {
    next: () => {
      const { value } = left.next()
      if (!value) throw usedUp()
      return value
    },
    nextOperator: () => {
      const { value } = operatorsLeft.next()
      if (!value) throw usedUp()
      return value
    },
  }
}

const makeBatch = async ({ database: { db }, secrets: keys, edgeUrl }: World, count: number) => {
  const secrets = createSecrets(parseNamedKeys(keys.masterKeys))
  const issuer = createSessionIssuer({ cell, issuer: edgeUrl, secrets, signer: createSignerSource(db, secrets) })
  const now = new Date()
  const made = Array.from({ length: count }, () => ({
    playerId: newId('player', cell, now.getTime()),
    ...issuer.first(now),
  }))
  const of = { createdAt: now, epoch: 0 }
  await db
    .insert(players)
    .values(made.map(({ playerId }) => ({ ...of, playerId, displayName: 'Ada', version: 1, updatedAt: now })))
  await db.insert(wallets).values(made.map(({ playerId }) => ({ playerId, balances: {}, version: 1 })))
  await db.insert(sessions).values(
    made.map(({ playerId, session: { sessionId, tokenHash, expiresAt } }) => ({
      ...of,
      sessionId,
      playerId,
      generation: 0,
      tokenHash,
      usedAtMs: [],
      expiresAt,
    })),
  )
  const verifier = await createPasswords(argon2id).hash(sparePassword)
  const credentialHash = (sessionId: SessionId) => sha256('spare:', sessionId)
  await db.insert(credentials).values(
    made.flatMap(({ playerId, session: { sessionId } }) =>
      ['device', 'email'].map((provider) => ({
        provider,
        credentialHash: credentialHash(sessionId),
        playerId,
        createdAt: now,
      })),
    ),
  )
  await db.insert(passwords).values(
    made.map(({ session: { sessionId } }) => ({
      credentialHash: credentialHash(sessionId),
      verifier,
      changedAt: now,
    })),
  )
  return Promise.all(
    made.map(async ({ playerId, session: { sessionId }, token }): Promise<SpareSession> => {
      const { accessToken, refreshToken } = await issuer.issue({ playerId, sessionId, epoch: 0, now }, token)
      return { playerId, sessionId, accessToken, refreshToken }
    }),
  )
}
