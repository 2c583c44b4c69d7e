import { setTimeout } from 'node:timers/promises'
import * as z from 'zod'
import { withTimeLimit } from '#infra/time-limit.ts'

const answerMaxMs = 10_000
const wakeEveryMs = 50
const usageSchema = z.looseObject({ usedSize: z.number(), backingStorageSize: z.number() })
const messageSchema = z.looseObject({ id: z.number().optional(), result: z.unknown().optional() })

/**
 * What an isolate's heap and buffers hold once everything that is garbage was collected, bytes: V8 is asked over workerd's
 * inspector. A session that stays open would be told of every line that the Worker writes, so each look has its own.
 * @param inspector the address at which workerd serves it
 * @param target the isolate, by the name of its service
 * @param wake sends the isolate a request: it looks at what the inspector was asked only when it runs
 * @throws Error when no inspector answers
 * @see https://chromedevtools.github.io/devtools-protocol/v8/Runtime/#method-getHeapUsage
 */
export const heapBytesOf = async (
  { inspector, target }: { readonly inspector: string; readonly target: string },
  wake: () => Promise<unknown>,
): Promise<number> => {
  const socket = new WebSocket(`ws://${inspector}/${target}`)
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let last = 0
  socket.addEventListener('message', ({ data }) => {
    const { id = 0, result } = messageSchema.parse(JSON.parse(String(data)))
    waiting.get(id)?.resolve(result)
  })
  /** One at a time, and none that is still on its way when the answer is there: the isolate may be stopped then. */
  const wakeUntil = async (answered: AbortSignal): Promise<void> => {
    while (!answered.aborted) {
      await wake()
      await setTimeout(wakeEveryMs)
    }
  }
  const call = async (method: string): Promise<unknown> => {
    const answer = Promise.withResolvers<unknown>()
    waiting.set(++last, answer)
    socket.send(JSON.stringify({ id: last, method }))
    const answered = new AbortController()
    const onLate = () => new Error(`the inspector did not answer ${method}`)
    const inTime = withTimeLimit(answer.promise, answerMaxMs, onLate).finally(() => answered.abort())
    const [result] = await Promise.all([inTime, wakeUntil(answered.signal)])
    return result
  }
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', () => reject(new Error(`no inspector answers at ${inspector}`)))
    })
    await call('HeapProfiler.enable')
    await call('HeapProfiler.collectGarbage')
    const { usedSize, backingStorageSize } = usageSchema.parse(await call('Runtime.getHeapUsage'))
    return usedSize + backingStorageSize
  } finally {
    socket.close()
  }
}
