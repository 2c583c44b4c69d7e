import type { signInWithDevice as route, SignInAnswer } from '#contract/auth.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { deviceCredentialOf } from './credential.ts'
import { type SignIn, signIn } from './sign-in.ts'
import { limitCredential, limitNetwork } from './sign-in-limits.ts'

/** Signs a guest in by what their device keeps. @throws Fault as `signIn`, `too_many_requests` */
export const signInWithDevice = async (
  deps: SignIn,
  ctx: Context,
  { deviceId, ...options }: InputOf<typeof route>['body'],
): Promise<SignInAnswer> => {
  const credential = deviceCredentialOf(deviceId)
  // A device in a loop is refused before it spends what others of its network need.
  await limitCredential(deps.limiter, ctx, credential)
  await limitNetwork(deps.limiter, ctx)
  return signIn(deps, ctx, credential, options)
}
