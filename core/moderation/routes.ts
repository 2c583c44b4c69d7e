import * as contract from '#contract/moderation.ts'
import { answers, type Handler, writes } from '#core/handler.ts'
import { banPlayer } from './ban-player.ts'
import { deletePlayer } from './delete-player.ts'
import { getPlayerRecord } from './get-player-record.ts'
import { unbanPlayer } from './unban-player.ts'

export const moderationRoutes: Handler[] = [
  answers(contract.getPlayerRecord, getPlayerRecord),
  writes(contract.banPlayer, banPlayer),
  writes(contract.unbanPlayer, unbanPlayer),
  writes(contract.deletePlayer, deletePlayer),
]
