import type { ContentFault } from '#contract/content.ts'
import type { Documents } from '#contract/evaluate/compiled.ts'
import type { LiveEventsDocument } from '#contract/evaluate/live-events-document.ts'
import { isOfType } from '#contract/evaluate/value.ts'
import { memberOf, pointerOf, unless } from './content-checks.ts'

/** What no schema can see of live events: audiences, flags and currencies that there are not, and values of another type. */
export const checkLiveEvents = (
  { events }: LiveEventsDocument,
  { flags: { flags, audiences } }: Documents,
  currencies: ReadonlySet<string>,
): ContentFault[] =>
  Object.entries(events).flatMap(([key, event]) => {
    const at = (...names: (string | number)[]) => pointerOf('events', key, ...names)
    return [
      ...(event.audience === undefined
        ? []
        : unless(Object.hasOwn(audiences, event.audience), at('audience'), 'no such audience is live')),
      ...Object.entries(event.flags).flatMap(([name, value]) => {
        const flag = memberOf(flags, name)
        return flag
          ? unless(isOfType(flag.type, value), at('flags', name), `is not of the flag's type ${flag.type}`)
          : [{ pointer: at('flags', name), detail: 'no such flag is live' }]
      }),
      ...event.rewards.flatMap(({ currency }, index) =>
        unless(currencies.has(currency), at('rewards', index, 'currency'), 'the currency is not declared'),
      ),
    ]
  })
