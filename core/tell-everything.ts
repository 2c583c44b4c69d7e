import type { Cell } from '#contract/ids.ts'
import type { Db, Tx } from '#db/client.ts'
import { findLive, listLive } from '#db/content.ts'
import { type CredentialRow, listCredentialsAfter, tellCredentials } from '#db/credentials.ts'
import { listApiKeys, tellKeys } from '#db/keys.ts'
import { listCurrencies, tellCurrencies } from '#db/wallet.ts'
import { contentReplica } from './publish.ts'
import { emit } from './write.ts'

/** Rows that are read and told at a time. */
const batchMax = 1_000

/**
 * Tells the other cells everything that the control cell decides, for one that has come after it was decided. Called again it
 * says the same again, which changes nothing. Answers how many things there were.
 */
export const tellEverything = async (db: Db, origin: { readonly cell: Cell; readonly now: Date }): Promise<number> => {
  const inBatches = async <Row>(rows: readonly Row[], tell: (tx: Tx, batch: readonly Row[]) => Promise<void>) => {
    for (let from = 0; from < rows.length; from += batchMax)
      await db.transaction((tx) => tell(tx, rows.slice(from, from + batchMax)))
    return rows.length
  }
  let told = await inBatches(await listApiKeys(db), (tx, keys) => tellKeys(tx, keys, origin.now))
  told += await inBatches(await listCurrencies(db), (tx, currencies) => tellCurrencies(tx, currencies, origin))
  told += await tellContent(db, origin)
  for (let after: CredentialRow | undefined; ; ) {
    const rows = await listCredentialsAfter(db, after, batchMax)
    told += await inBatches(rows, (tx, credentials) => tellCredentials(tx, credentials, origin))
    after = rows.at(-1)
    if (rows.length < batchMax) return told
  }
}

/** Document by document: each can be large. Answers how many are live. */
const tellContent = async (db: Db, origin: { readonly cell: Cell; readonly now: Date }): Promise<number> => {
  const kinds = (await listLive(db)).map(({ kind }) => kind)
  for (const kind of kinds)
    await db.transaction(async (tx) => {
      const live = await findLive(tx, kind)
      if (live) await emit(tx, { ...origin, traceparent: '' }, [contentReplica(live)])
    })
  return kinds.length
}
