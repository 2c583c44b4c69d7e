import * as z from 'zod'
import { cellSchema } from '#contract/ids.ts'
import { openDatabase } from '#db/client.ts'
import { openEventBus } from './event-bus.ts'
import { createPass } from './steps.ts'

const schema = z.object({
  CELL: cellSchema,
  DATABASE_URL: z.string(),
  PREFIX: z.string(),
  PUBSUB_EMULATOR_HOST: z.string().optional(),
  /** How far this process's clock is ahead, so that the lease of one that died is over. */
  CLOCK_AHEAD_MS: z.coerce.number().default(0),
  DIE_AT: z.string().optional(),
  DIE_AFTER_PASSES: z.coerce.number().default(0),
})

/** What a process that is to die works with, from its environment. */
export const openFaultyParts = () => {
  const env = schema.parse(process.env)
  const { CELL: cell, PREFIX: prefix, PUBSUB_EMULATOR_HOST: emulatorHost = null } = env
  const options = { url: env.DATABASE_URL, poolMax: 10, statementTimeoutMs: 5_000, applicationName: 'fault' }
  return {
    cell,
    prefix,
    emulatorHost,
    database: openDatabase(options),
    bus: openEventBus({ prefix, emulatorHost }),
    clock: () => Date.now() + env.CLOCK_AHEAD_MS,
    pass: createPass(env.DIE_AT, env.DIE_AFTER_PASSES),
  }
}
