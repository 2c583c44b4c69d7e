import { and, eq, inArray } from 'drizzle-orm'
import type { PlayerId } from '#contract/ids.ts'
import type { Database, Db, Tx } from './client.ts'
import { type Credential, credentials, passwords } from './credentials.ts'

/** An address that is somebody's, as this cell knows it. */
export type Account = {
  readonly owner: PlayerId
  /** Whether the player is there: not one of another cell, nor one who was to be made and was not, or was deleted. */
  readonly isMade: boolean
  /** Null where the password lies in another cell, or was not stored. */
  readonly verifier: string | null
}

const findAccountStatement = `
select c.player_id as owner, p.player_id is not null as "isMade", v.verifier
from credentials c
left join players p on p.player_id = c.player_id and p.deleted_at is null
left join passwords v on v.credential_hash = c.credential_hash
where c.provider = 'email' and c.credential_hash = $1 and c.player_id is not null`

/** Whose an address is and what its password is checked against; undefined for nobody's. By the primary keys. */
export const findAccount = async (
  database: Database,
  credentialHash: string,
  deadlineAt: number,
): Promise<Account | undefined> =>
  (await database.statement<Account>(findAccountStatement, [credentialHash], { deadlineAt }))[0]

/** Replaces what a password is checked against, unless somebody else was faster; answers whether it was replaced. */
export const replaceVerifier = async (
  db: Db,
  credentialHash: string,
  { from, to, now }: { readonly from: string; readonly to: string; readonly now: Date },
): Promise<boolean> => {
  const rows = await db
    .update(passwords)
    .set({ verifier: to, changedAt: now })
    .where(and(eq(passwords.credentialHash, credentialHash), eq(passwords.verifier, from)))
    .returning({ credentialHash: passwords.credentialHash })
  return rows.length === 1
}

/**
 * Stores what the password of an address is checked against. Whoever calls has locked the row of the player whose it is: what takes
 * an address away deletes its password under that lock, and one that came later would open it for its next owner.
 */
export const putVerifier = async (
  tx: Tx,
  credentialHash: string,
  { verifier, now }: { readonly verifier: string; readonly now: Date },
): Promise<void> => {
  await tx
    .insert(passwords)
    .values({ credentialHash, verifier, changedAt: now })
    .onConflictDoUpdate({ target: passwords.credentialHash, set: { verifier, changedAt: now } })
}

/** What the passwords of a player's addresses are checked against, the oldest address first. By the index on the player. */
export const listVerifiers = (
  db: Db,
  playerId: PlayerId,
): Promise<{ readonly credentialHash: string; readonly verifier: string }[]> =>
  db
    .select({ credentialHash: passwords.credentialHash, verifier: passwords.verifier })
    .from(credentials)
    .innerJoin(passwords, eq(passwords.credentialHash, credentials.credentialHash))
    .where(and(eq(credentials.playerId, playerId), eq(credentials.provider, 'email')))
    .orderBy(credentials.createdAt, credentials.credentialHash)

/** From now on no password opens those of these credentials that are addresses. */
export const deleteVerifiers = async (db: Db, gone: readonly Credential[]): Promise<void> => {
  const hashes = gone.filter(({ provider }) => provider === 'email').map(({ credentialHash }) => credentialHash)
  if (hashes.length > 0) await db.delete(passwords).where(inArray(passwords.credentialHash, hashes))
}
