import type { Link, linkDevice as route } from '#contract/links.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { deviceCredentialOf } from './credential.ts'
import { admitToLinks, link } from './link.ts'
import type { SignIn } from './sign-in.ts'

/** Has a device sign the caller in. @throws Fault as `link`, `token_invalid`, `too_many_requests` */
export const linkDevice = async (
  deps: SignIn,
  ctx: Context,
  { deviceId }: InputOf<typeof route>['body'],
): Promise<Link> => {
  await admitToLinks(deps.limiter, ctx)
  return link(deps, ctx, deviceCredentialOf(deviceId))
}
