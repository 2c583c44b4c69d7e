import * as contract from '#contract/flags.ts'
import { answers, type Handler } from '#core/handler.ts'
import type { LiveContent } from '#core/live-content.ts'
import { evaluateAs } from './evaluate-as.ts'

export const flagRoutes = (liveContent: LiveContent): Handler[] => [
  answers(contract.evaluateAs, (ctx, input) => evaluateAs(liveContent, ctx, input)),
]
