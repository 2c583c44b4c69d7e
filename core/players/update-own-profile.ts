import { newId } from '#contract/ids.ts'
import type { updateOwnProfile as route } from '#contract/players.ts'
import type { InputOf } from '#contract/route.ts'
import type { SetWork } from '#core/combine.ts'
import { type Context, playerOf } from '#core/context.ts'
import type { DisplayNames } from '#core/display-names.ts'
import { type UpdateProfileInput, updateProfileStatement } from '#db/profile.ts'

/**
 * Changes the caller's profile and moves the tag that everybody's cached copy hangs on. Refuses with `not_found`, and with
 * `display_name_not_allowed`: what is judged here is refused in the statement, after it has looked for an earlier answer.
 */
export const updateOwnProfile = (
  names: DisplayNames,
  ctx: Context,
  { body }: InputOf<typeof route>,
): SetWork<UpdateProfileInput> => ({
  statement: updateProfileStatement,
  aggregate: playerOf(ctx),
  input: {
    eventId: newId('event', ctx.cell, ctx.now.getTime()),
    changes: body,
    isNameAllowed: body.displayName === undefined || names.isAllowed(body.displayName),
  },
})
