import type { Break, Pair } from './breaks.ts'
import { pointerTo, referencesTo } from './cases.ts'
import type { ApiDocument, Operation } from './documents.ts'
import { inside, matchedOf, membersOf, type Part } from './parts.ts'
import { findRequestBreaks } from './requests.ts'
import { findResponseBreaks } from './responses.ts'

/** What a change of the API breaks for those who call it. A new operation breaks nobody. */
export const compareApi = ({ released, current }: Pair<ApiDocument>): Break[] => {
  const { gone, kept } = matchedOf({ released: operationsOf(released), current: operationsOf(current) })
  return [
    ...gone.map(([name, { pointer }]) => ({ pointer, what: `the operation ${name} is gone: clients call it` })),
    ...kept.flatMap((pair) => [...inName(pair), ...findRequestBreaks(pair), ...findResponseBreaks(pair)]),
    ...inSchemes({ released, current }),
  ]
}

/** By method and path. A parameter of another name makes another path: generated clients name it too. */
const operationsOf = ({ paths, components }: ApiDocument): ReadonlyMap<string, Part<Operation>> => {
  const named = referencesTo('#/components/schemas', components.schemas)
  const root = { value: paths, pointer: '#/paths', components, named }
  return new Map(
    [...membersOf(root)].flatMap(([path, methods]) =>
      Object.entries(methods.value).map(([method, operation]) => [
        `${method.toUpperCase()} ${path}`,
        inside(methods, operation, method),
      ]),
    ),
  )
}

const inName = ({ released, current }: Pair<Part<Operation>>): Break[] => {
  const [was, is] = [released.value.operationId, current.value.operationId]
  const what = `the operationId went from ${was} to ${is}: generated clients call it by that name`
  return was === is ? [] : [{ pointer: pointerTo(released.pointer, 'operationId'), what }]
}

/** How credentials are sent, by the names that operations ask for. */
const inSchemes = ({ released, current }: Pair<ApiDocument>): Break[] => {
  const schemesOf = ({ components }: ApiDocument) =>
    new Map(
      Object.entries(components.securitySchemes).map(([name, { description: _, ...scheme }]) => [
        name,
        JSON.stringify(scheme),
      ]),
    )
  const { gone, kept } = matchedOf({ released: schemesOf(released), current: schemesOf(current) })
  const pointer = (name: string) => pointerTo('#/components/securitySchemes', name)
  return [
    ...gone.map(([name]) => ({ pointer: pointer(name), what: `the credentials ${name} are gone: clients send them` })),
    ...kept
      .filter((pair) => pair.released !== pair.current)
      .map(({ name }) => ({ pointer: pointer(name), what: `the credentials ${name} are sent in another way` })),
  ]
}
