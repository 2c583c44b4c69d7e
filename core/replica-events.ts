import type { Cell } from '#contract/ids.ts'
import type { Db } from '#db/client.ts'
import { type CredentialRow, listCredentialsAfter } from '#db/credentials.ts'
import { type ApiKeyRow, listApiKeys } from '#db/keys.ts'
import { type CurrencyRow, listCurrencies } from '#db/wallet.ts'
import { emit, type NewEvent } from './write.ts'

/** Rows that are read and told at a time. */
const batchMax = 1_000

/** What the other cells are told of a key: all of it, as it is now. */
export const replicaOfKey = ({ version, ...key }: ApiKeyRow): NewEvent => ({
  type: 'perigee.replica.key.v1',
  aggregate: `key:${key.keyId}`,
  version,
  data: {
    ...key,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
  },
  moved: [],
})

export const replicaOfCurrency = ({ version, ...currency }: CurrencyRow): NewEvent => ({
  type: 'perigee.replica.currency.v1',
  aggregate: `currency:${currency.code}`,
  version,
  data: currency,
  moved: [],
})

const replicaOfCredential = ({ version, createdAt, ...credential }: CredentialRow): NewEvent => ({
  type: 'perigee.replica.credential.v1',
  aggregate: `credential:${credential.provider}:${credential.credentialHash}`,
  version,
  data: { ...credential, createdAt: createdAt.toISOString() },
  moved: [],
})

/**
 * Tells the other cells everything that the control cell decides, for one that has come after it was decided. Called again it
 * says the same again, which changes nothing. Answers how many things there were.
 */
export const tellEverything = async (db: Db, { cell, now }: { cell: Cell; now: Date }): Promise<number> => {
  const origin = { cell, now, traceparent: '' }
  const tell = async (events: readonly NewEvent[]) => {
    for (let from = 0; from < events.length; from += batchMax)
      await db.transaction((tx) => emit(tx, origin, events.slice(from, from + batchMax)))
    return events.length
  }
  let told = await tell([
    ...(await listApiKeys(db)).map(replicaOfKey),
    ...(await listCurrencies(db)).map(replicaOfCurrency),
  ])
  for (let after: CredentialRow | undefined; ; ) {
    const rows = await listCredentialsAfter(db, after, batchMax)
    told += await tell(rows.map(replicaOfCredential))
    after = rows.at(-1)
    if (rows.length < batchMax) return told
  }
}
