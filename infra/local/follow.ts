import { closeSync, openSync, readSync } from 'node:fs'

const pollMs = 200
/** What is read of a log at a time; a burst takes several turns. */
const chunkBytes = 64 * 1024

/** Prints a log and what is appended to it, each line headed by `name`. Does not keep the process alive. */
export const follow = (name: string, logFile: string): void => {
  const buffer = Buffer.alloc(chunkBytes)
  let offset = 0
  let partial = ''
  const read = () => {
    const log = openSync(logFile, 'r')
    for (let bytes = readSync(log, buffer, 0, chunkBytes, offset); bytes > 0; ) {
      offset += bytes
      const lines = (partial + buffer.toString('utf8', 0, bytes)).split('\n')
      partial = lines.pop() ?? ''
      for (const line of lines) console.log(`${name} | ${line}`)
      bytes = readSync(log, buffer, 0, chunkBytes, offset)
    }
    closeSync(log)
  }
  setInterval(read, pollMs).unref()
}
