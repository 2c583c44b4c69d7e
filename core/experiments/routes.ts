import * as contract from '#contract/experiments.ts'
import { type Handler, writes } from '#core/handler.ts'
import type { LiveContent } from '#core/live-content.ts'
import { recordExposures } from './record-exposures.ts'

export const experimentRoutes = (liveContent: LiveContent): Handler[] => [
  writes(contract.recordExposures, (tx, ctx, input) => recordExposures(liveContent, tx, { ctx, input })),
]
