import * as z from 'zod'
import { refreshCredentialShape } from './device-key.ts'
import { playerIdSchema } from './ids.ts'
import { ownProfileSchema } from './players.ts'
import { defineRoute, forwarded } from './route.ts'
import { balancesSchema } from './wallet.ts'

const mergeAnswerSchema = z
  .object({
    /** The account that stays; nothing of its profile has changed. */
    player: ownProfileSchema,
    /** Its balances with those of the other. */
    balances: balancesSchema,
    /** The account that is no more. */
    merged: playerIdSchema,
  })
  .meta({ id: 'Merge' })
export type Merge = z.infer<typeof mergeAnswerSchema>

export const mergeAccounts = defineRoute({
  method: 'POST',
  path: '/v1/players/me/merge',
  summary: 'Make one account of two that are yours',
  description:
    'The account of the call stays. `refreshToken` is of a live session of the other one, which shows that it is yours too; it is not used up by a call that is refused. All balances of the other move, every way to sign in to it signs in to yours from then on, its sessions end and its profile is gone. All of that happens or nothing, and nothing takes it back.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'required' }),
  body: z.strictObject(refreshCredentialShape).meta({ id: 'MergeCredential' }),
  status: 200,
  answer: mergeAnswerSchema,
  errors: [
    'refresh_token_invalid',
    'refresh_proof_invalid',
    'player_banned',
    'deletion_pending',
    'not_found',
    'merge_across_cells',
    'balance_cap_exceeded',
  ],
})
