import { type Link, linksMax } from '#contract/links.ts'
import { Fault } from '#contract/problem.ts'
import { type Context, playerOf } from '#core/context.ts'
import { type Limiter, requireAllowance } from '#core/limiter.ts'
import { requireLiveSession } from '#core/principal.ts'
import { sha256 } from '#core/secrets.ts'
import { type Credential, type CredentialRow, listCredentials } from '#db/credentials.ts'
import { putVerifier } from '#db/passwords.ts'
import { lockPlayer } from '#db/players.ts'
import type { SignIn } from './sign-in.ts'

/** A player who tidies up links and unlinks a few at once; each may take a trip to the control cell. */
const perPlayer = { burst: 20, intervalMs: 10_000 }

/** A credential as its player is told of it: an id that is made from the credential and does not tell it. */
export const linkOf = ({ provider, credentialHash, createdAt }: CredentialRow): Link => ({
  linkId: sha256('link:', provider, ':', credentialHash).slice(0, 20),
  provider,
  linkedAt: createdAt.toISOString(),
})

/** Admits a change of the caller's links. @throws Fault `token_invalid`, `too_many_requests` */
export const admitToLinks = async (limiter: Limiter, ctx: Context): Promise<void> => {
  await requireLiveSession(ctx.db, ctx.principal, ctx.now)
  await requireAllowance(limiter, { key: `links:${playerOf(ctx)}`, limit: perPlayer, now: ctx.now })
}

/**
 * Makes a credential the caller's, who has shown that it is theirs. Called again, or by two at once, it answers the same.
 *
 * What the control cell has given is kept with the player's row locked, as an unlink, a merge and an erasure lock it: they see the
 * link, or it sees them and gives the credential back. So does what an address is opened with go with them or is not stored.
 *
 * The control cell decides. A crash after it did and before this cell knows leaves the credential the caller's: the next
 * call, or the event that tells all cells, brings it here.
 *
 * @param verifier of an address, what its password is checked against from now on
 * @throws Fault `credential_taken` where it is another's, whom nothing is told of; `links_full`; `token_invalid` when the caller is
 * no more by then; `unavailable` when the control cell does not answer
 */
export const link = async (
  { directory }: SignIn,
  ctx: Context,
  credential: Credential,
  verifier?: string,
): Promise<Link> => {
  const playerId = playerOf(ctx)
  const before = await listCredentials(ctx.db, playerId)
  const known = before.find(isSame(credential))
  if (known && verifier === undefined) return linkOf(known)
  if (!known && before.length >= linksMax) throw full()
  // Also for an address that is known: an unlink whose answer was lost may have given it back.
  if ((await directory.claim(credential, playerId, ctx)) !== playerId) throw new Fault('credential_taken')
  const kept = await keep(ctx, credential, { isNew: !known, verifier })
  if (!(kept instanceof Fault)) return kept
  await directory.release(credential, playerId, ctx)
  throw kept
}

/** The link; or why the credential is to be given back, and then nothing is stored. */
const keep = (
  ctx: Context,
  credential: Credential,
  { isNew, verifier }: { readonly isNew: boolean; readonly verifier: string | undefined },
): Promise<Link | Fault> =>
  ctx.db.transaction(async (tx) => {
    const playerId = playerOf(ctx)
    if (!(await lockPlayer(tx, playerId))) return new Fault('token_invalid')
    const rows = await listCredentials(tx, playerId)
    const linked = rows.find(isSame(credential))
    if (!linked) throw new Fault('unavailable', { detail: 'the link is being taken away' })
    // Others at once may each have seen the last place.
    if (isNew && rows.length > linksMax) return full()
    if (verifier !== undefined) await putVerifier(tx, credential.credentialHash, { verifier, now: ctx.now })
    return linkOf(linked)
  })

const full = () => new Fault('links_full', { extras: { linksMax } })

const isSame =
  ({ provider, credentialHash }: Credential) =>
  (row: Credential): boolean =>
    row.provider === provider && row.credentialHash === credentialHash
