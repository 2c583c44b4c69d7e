import { SourceMap } from 'node:module'
import * as z from 'zod'

/** Where an isolate spent its time, as V8 sampled it. */
export type Profile = {
  /** The content of a `.cpuprofile` file, which developer tools of browsers open. */
  readonly text: string
  /** By the time spent in each function itself, the most first, as shares of the time that was not idle. */
  readonly selfTimes: readonly SelfTime[]
}

export type SelfTime = { readonly where: string; readonly share: number }

/** Fine enough for a path of some ten microseconds in a phase of seconds, coarse enough not to become the load. */
const samplingMicroseconds = 200
const answerMaxMs = 10_000

const profileSchema = z.looseObject({
  nodes: z.array(
    z.looseObject({
      id: z.number(),
      children: z.array(z.number()).optional(),
      callFrame: z.object({
        functionName: z.string(),
        url: z.string(),
        lineNumber: z.number(),
        columnNumber: z.number(),
      }),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
})

type CallFrame = z.infer<typeof profileSchema>['nodes'][number]['callFrame']

/**
 * Profiles a Worker while `load` runs. An inspector that is attached costs by itself: it is told of every `console.log`.
 * @param inspector the address at which workerd serves it
 * @param target of which isolate, by the name of its service
 * @param sourceMap of the bundle, as JSON, so that functions are told by their place in our files
 * @see https://chromedevtools.github.io/devtools-protocol/v8/Profiler/
 */
export const profileWorker = async (
  { inspector, target, sourceMap }: { readonly inspector: string; readonly target: string; readonly sourceMap: string },
  load: () => Promise<unknown>,
): Promise<Profile> => {
  const session = await openSession(`ws://${inspector}/${target}`)
  try {
    await session.call('Profiler.enable')
    await session.call('Profiler.setSamplingInterval', { interval: samplingMicroseconds })
    await session.call('Profiler.start')
    await load()
    const { profile } = z.object({ profile: profileSchema }).parse(await session.call('Profiler.stop'))
    return { text: JSON.stringify(profile), selfTimes: selfTimesOf(profile, new SourceMap(JSON.parse(sourceMap))) }
  } finally {
    session.close()
  }
}

const selfTimesOf = ({ nodes, samples, timeDeltas }: z.infer<typeof profileSchema>, map: SourceMap): SelfTime[] => {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, frames.get(id)])))
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame, callers.get(id), map)]))
  const times = new Map<string, number>()
  samples.forEach((id, index) => {
    const place = places.get(id) ?? '(unknown)'
    // Clocks of two processors may differ by more than a sample.
    times.set(place, (times.get(place) ?? 0) + Math.max(0, timeDeltas[index] ?? 0))
  })
  times.delete('(idle)')
  const busy = [...times.values()].reduce((sum, time) => sum + time, 0)
  return [...times].map(([where, time]) => ({ where, share: time / busy })).toSorted((a, b) => b.share - a.share)
}

/** `edge/app.ts:92` for what stands in the bundle; for what V8 or workerd have built in the name, or who called it. */
const placeOf = (frame: CallFrame, caller: CallFrame | undefined, map: SourceMap): string => {
  const { functionName, url, lineNumber, columnNumber } = frame
  if (url === '')
    return functionName || `(built in) called from ${caller ? placeOf(caller, undefined, map) : 'nowhere'}`
  const entry = map.findEntry(lineNumber, columnNumber)
  if (!('originalSource' in entry)) return `${url}:${lineNumber + 1}`
  return `${entry.originalSource}:${entry.originalLine + 1}`
}

type Session = { call(method: string, params?: object): Promise<unknown>; close(): void }

const answerSchema = z.object({
  id: z.number(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
})

const openSession = async (url: string): Promise<Session> => {
  const socket = new WebSocket(url)
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const opened = Promise.withResolvers<void>()
  socket.addEventListener('open', () => opened.resolve())
  socket.addEventListener('error', () => opened.reject(new Error(`no inspector answers at ${url}`)))
  socket.addEventListener('message', ({ data }) => {
    const answer = answerSchema.safeParse(JSON.parse(String(data)))
    if (!answer.success) return
    const { id, result, error } = answer.data
    if (error) waiting.get(id)?.reject(new Error(error.message))
    else waiting.get(id)?.resolve(result)
  })
  await opened.promise
  let calls = 0
  return {
    call: async (method, params = {}) => {
      const id = ++calls
      const answer = Promise.withResolvers<unknown>()
      waiting.set(id, answer)
      socket.send(JSON.stringify({ id, method, params }))
      const timer = setTimeout(() => answer.reject(new Error(`no answer to ${method}`)), answerMaxMs)
      return answer.promise.finally(() => clearTimeout(timer))
    },
    close: () => socket.close(),
  }
}
