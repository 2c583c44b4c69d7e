import * as z from 'zod'
import { keySchema } from './evaluate/flags-document.ts'
import { defineRoute, forwarded } from './route.ts'
import { isPrintable } from './scalars.ts'

/** Exposures that one call reports: what an app gathers while it is offline. */
export const exposuresMax = 100

/** What a unit is told apart by, as it was evaluated with. */
export const unitSchema = z.string().min(1).max(256).refine(isPrintable, 'control characters are not allowed')

export const recordExposures = defineRoute({
  method: 'POST',
  path: '/v1/exposures',
  summary: 'Report that a player has seen a variant of an experiment',
  description:
    'To be called when what the variant changes is shown, not when the flag is evaluated. The first report of a unit in a run becomes an event; all later ones change nothing. A report is refused where the experiment does not run, or would not give this unit this variant.',
  access: 'player',
  cell: 'caller',
  delivery: forwarded({ idempotencyKey: 'optional' }),
  deferrable: true,
  body: z
    .strictObject({
      exposures: z
        .array(
          z.strictObject({
            /** `experiment`, `run` and `variant` as the evaluation told them. */
            experiment: keySchema,
            run: z.int().positive().max(2_147_483_647),
            variant: keySchema,
            unit: unitSchema,
          }),
        )
        .min(1)
        .max(exposuresMax),
    })
    .meta({ id: 'Exposures' }),
  status: 200,
  answer: z
    .object({
      /** In the order of the reports. */
      results: z.array(z.object({ status: z.enum(['recorded', 'repeated', 'refused']) })),
    })
    .meta({ id: 'ExposureResults' }),
  errors: ['not_found'],
})
