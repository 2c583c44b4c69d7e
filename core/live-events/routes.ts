import * as contract from '#contract/live-events.ts'
import { answers, type Handler, writesInSets } from '#core/handler.ts'
import type { LiveContent } from '#core/live-content.ts'
import { claimLiveEvent } from './claim-live-event.ts'
import { joinLiveEvent } from './join-live-event.ts'
import { listOwnLiveEvents } from './list-own-live-events.ts'

export const liveEventRoutes = (liveContent: LiveContent): Handler[] => [
  writesInSets(contract.joinLiveEvent, (ctx, input) => joinLiveEvent(liveContent, ctx, input)),
  writesInSets(contract.claimLiveEvent, (ctx, input) => claimLiveEvent(liveContent, ctx, input)),
  answers(contract.listOwnLiveEvents, (ctx) => listOwnLiveEvents(liveContent, ctx)),
]
