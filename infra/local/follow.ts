import { closeSync, openSync, readSync } from 'node:fs'

const pollMs = 200
/** What is read of a log at a time; a burst takes several turns. */
const chunkBytes = 64 * 1024

/** Hands on the lines of a log, and those that are appended to it. Does not keep the process alive. */
export const follow = (logFile: string, take: (line: string) => void): void => {
  const buffer = Buffer.alloc(chunkBytes)
  let offset = 0
  let partial = ''
  const read = () => {
    const log = openSync(logFile, 'r')
    for (let bytes = readSync(log, buffer, 0, chunkBytes, offset); bytes > 0; ) {
      offset += bytes
      const lines = (partial + buffer.toString('utf8', 0, bytes)).split('\n')
      partial = lines.pop() ?? ''
      for (const line of lines) take(line)
      bytes = readSync(log, buffer, 0, chunkBytes, offset)
    }
    closeSync(log)
  }
  setInterval(read, pollMs).unref()
}
