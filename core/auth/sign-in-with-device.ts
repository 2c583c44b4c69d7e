import type { signInWithDevice as route, SignInAnswer } from '#contract/auth.ts'
import type { InputOf } from '#contract/route.ts'
import type { Context } from '#core/context.ts'
import { sha256 } from '#core/secrets.ts'
import { type SignIn, signIn } from './sign-in.ts'

/** Signs a guest in by what their device keeps. @throws Fault as `signIn` */
export const signInWithDevice = (
  deps: SignIn,
  ctx: Context,
  { deviceId, ...options }: InputOf<typeof route>['body'],
): Promise<SignInAnswer> =>
  signIn(deps, ctx, { provider: 'device', credentialHash: sha256('device:', deviceId) }, options)
