import * as contract from '#contract/auth.ts'
import { answers, type Handler } from '#core/handler.ts'
import { refreshSession } from './refresh-session.ts'
import type { SignIn } from './sign-in.ts'
import { signInWithDevice } from './sign-in-with-device.ts'

export const authRoutes = (signIn: SignIn): Handler[] => [
  answers(contract.signInWithDevice, (ctx, { body }) => signInWithDevice(signIn, ctx, body)),
  answers(contract.refreshSession, (ctx, { body }) => refreshSession(signIn, ctx, body)),
]
