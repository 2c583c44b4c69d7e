import { isDeepStrictEqual } from 'node:util'
import type { ContentChange } from '#contract/content.ts'
import { isObject, type JsonObject } from '#contract/evaluate/value.ts'
import { pointerOf } from './content-checks.ts'

/**
 * What changes from one JSON value to another, by pointers, in the order of the new one; what was removed follows what stands
 * beside it. Members of objects are compared one by one. Lists of one length are compared place by place, so that a rule that
 * was changed is told alone; lists of different lengths as a whole, since one rule more in front would look like a change of
 * every rule behind it. Both values are no deeper than a document may be.
 */
export const differencesOf = (before: unknown, after: unknown): ContentChange[] => compare(before, after, '')

const compare = (before: unknown, after: unknown, pointer: string): ContentChange[] => {
  if (isObject(before) && isObject(after)) return compareObjects(before, after, pointer)
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length)
    return after.flatMap((value, index) => compare(before[index], value, `${pointer}/${index}`))
  return isDeepStrictEqual(before, after) ? [] : [{ pointer, change: 'changed', before, after }]
}

const compareObjects = (before: JsonObject, after: JsonObject, pointer: string): ContentChange[] => [
  ...Object.entries(after).flatMap(([name, value]): ContentChange[] => {
    const at = pointer + pointerOf(name)
    return Object.hasOwn(before, name)
      ? compare(before[name], value, at)
      : [{ pointer: at, change: 'added', after: value }]
  }),
  ...Object.entries(before)
    .filter(([name]) => !Object.hasOwn(after, name))
    .map(([name, value]): ContentChange => ({ pointer: pointer + pointerOf(name), change: 'removed', before: value })),
]
