import { type Link, linksMax } from '#contract/links.ts'
import { Fault } from '#contract/problem.ts'
import { type Context, playerOf } from '#core/context.ts'
import { type Limiter, requireAllowance } from '#core/limiter.ts'
import { requireLiveSession } from '#core/principal.ts'
import { sha256 } from '#core/secrets.ts'
import { type Credential, type CredentialRow, listCredentials } from '#db/credentials.ts'
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
 * The control cell decides. A crash after it did and before this cell knows leaves the credential the caller's: the next
 * call, or the event that tells all cells, brings it here.
 *
 * @throws Fault `credential_taken` where it is another's, whom nothing is told of; `links_full`; `unavailable` when the control
 * cell does not answer
 */
export const link = async ({ directory }: SignIn, ctx: Context, credential: Credential): Promise<Link> => {
  const playerId = playerOf(ctx)
  const before = await listCredentials(ctx.db, playerId)
  const known = before.find(isSame(credential))
  if (known) return linkOf(known)
  if (before.length >= linksMax) throw full()
  if ((await directory.claim(credential, playerId, ctx)) !== playerId) throw new Fault('credential_taken')
  const after = await listCredentials(ctx.db, playerId)
  // Others at once may each have seen the last place.
  if (after.length > linksMax) {
    await directory.release(credential, playerId, ctx)
    throw full()
  }
  const linked = after.find(isSame(credential))
  if (!linked) throw new Fault('unavailable', { detail: 'the link is being taken away' })
  return linkOf(linked)
}

const full = () => new Fault('links_full', { extras: { linksMax } })

const isSame =
  ({ provider, credentialHash }: Credential) =>
  (row: Credential): boolean =>
    row.provider === provider && row.credentialHash === credentialHash
