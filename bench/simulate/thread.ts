import { parentPort } from 'node:worker_threads'
import type { Message, Order } from './pool.ts'
import { simulate } from './window.ts'

/** A thread of `simulateAll`: takes an order at a time, tells how far it is, and answers with what was seen. */

const say = (message: Message) => parentPort?.postMessage(message)

/** Virtual seconds between two messages. */
const toldEverySeconds = 5

parentPort?.on('message', async ({ index, scenario }: Order) => {
  try {
    const measured = await simulate(scenario, ({ seconds }) => {
      if (seconds % toldEverySeconds === 0) say({ kind: 'progress', index, seconds })
    })
    say({ kind: 'result', index, measured })
  } catch (error) {
    say({ kind: 'failure', index, text: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
