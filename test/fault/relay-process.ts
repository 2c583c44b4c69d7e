import { createRelay } from '#core/relay.ts'
import { createLog } from '#infra/log.ts'
import { subscribeEffects } from './effects.ts'
import { openFaultyParts } from './settings.ts'
import { withRelaySteps } from './steps.ts'

/** A relay of its own process that dies where its environment says. On the direct bus the consumer is in the same process, and dies with it. */

const { cell, clock, pass, ...parts } = openFaultyParts()
if (!parts.emulatorHost) await subscribeEffects(parts, pass)
const { db, bus } = withRelaySteps({ db: parts.database.db, bus: parts.bus }, pass)
const log = createLog({ service: 'relay' }, (line) => process.stdout.write(`${line}\n`))
createRelay({ db, bus, cell, log, clock, raise: async () => {} }).start()
