import { closeSync, openSync, readSync, statSync } from 'node:fs'
import type { Counters } from './measure.ts'
import type { UpstashProcess } from './upstash.ts'

/** What is sent behind a response arrives within this, or it is counted with the next phase. */
const settleMs = 200

/** Counts what an edge asks of Upstash, and of a core by the line that each request leaves in its log. */
export const createEdgeCounters = (upstash: UpstashProcess, coreLogFile: string): Counters => {
  let before = { requests: 0, commands: 0 }
  let logOffset = 0
  return {
    begin: async () => {
      before = await upstash.counts()
      logOffset = statSync(coreLogFile).size
    },
    end: async () => {
      await new Promise((resolve) => setTimeout(resolve, settleMs))
      const { requests, commands } = await upstash.counts()
      return {
        upstashRequests: requests - before.requests,
        upstashCommands: commands - before.commands,
        coreRequests: linesSince(coreLogFile, logOffset),
      }
    },
  }
}

const requestLine = /"message":"request"/g

const linesSince = (file: string, offset: number): number => {
  const bytes = Buffer.alloc(statSync(file).size - offset)
  const log = openSync(file, 'r')
  try {
    const read = readSync(log, bytes, 0, bytes.length, offset)
    return bytes.toString('latin1', 0, read).match(requestLine)?.length ?? 0
  } finally {
    closeSync(log)
  }
}
