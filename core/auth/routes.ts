import * as contract from '#contract/auth.ts'
import * as links from '#contract/links.ts'
import { mergeAccounts as mergeRoute } from '#contract/merge.ts'
import { answers, type Handler, writes } from '#core/handler.ts'
import { createTurns } from '#core/turns.ts'
import { changePassword } from './change-password.ts'
import { linkDevice } from './link-device.ts'
import { linkEmail } from './link-email.ts'
import { linkIdToken } from './link-id-token.ts'
import { listLinks } from './list-links.ts'
import { mergeAccounts } from './merge-accounts.ts'
import { refreshSession } from './refresh-session.ts'
import type { SignIn } from './sign-in.ts'
import { signInWithDevice } from './sign-in-with-device.ts'
import { signInWithEmail } from './sign-in-with-email.ts'
import { signInWithIdToken } from './sign-in-with-id-token.ts'
import { unlink, unlinkTurns } from './unlink.ts'

export const authRoutes = (signIn: SignIn): Handler[] => {
  const unlinkInTurn = createTurns(unlinkTurns)
  return [
    answers(contract.signInWithDevice, (ctx, { body }) => signInWithDevice(signIn, ctx, body)),
    answers(contract.signInWithEmail, (ctx, { body }) => signInWithEmail(signIn, ctx, body)),
    answers(contract.signInWithGoogle, (ctx, { body }) =>
      signInWithIdToken(signIn, ctx, { provider: 'google', ...body }),
    ),
    answers(contract.signInWithApple, (ctx, { body }) =>
      signInWithIdToken(signIn, ctx, { provider: 'apple', ...body }),
    ),
    answers(contract.signInWithCustom, (ctx, { body }) => signInWithIdToken(signIn, ctx, body)),
    answers(links.listLinks, listLinks),
    answers(links.linkDevice, (ctx, { body }) => linkDevice(signIn, ctx, body)),
    answers(links.linkEmail, (ctx, { body }) => linkEmail(signIn, ctx, body)),
    answers(links.linkGoogle, (ctx, { body }) => linkIdToken(signIn, ctx, { provider: 'google', ...body })),
    answers(links.linkApple, (ctx, { body }) => linkIdToken(signIn, ctx, { provider: 'apple', ...body })),
    answers(links.linkCustom, (ctx, { body }) => linkIdToken(signIn, ctx, body)),
    answers(links.unlink, (ctx, input) => unlinkInTurn(() => unlink(signIn, ctx, input))),
    answers(links.changePassword, (ctx, { body }) => changePassword(signIn, ctx, body)),
    answers(contract.refreshSession, (ctx, { body }) => refreshSession(signIn, ctx, body)),
    writes(mergeRoute, (tx, ctx, { body }) => mergeAccounts(signIn, tx, { ctx, body })),
  ]
}
