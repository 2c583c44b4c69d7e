import { readFile } from 'node:fs/promises'

/** What a server must be told to write a log that `readStatements` understands. */
export const statementLogSettings = [
  'log_line_prefix=%n %p %a|',
  'log_statement=all',
  'log_min_duration_statement=0',
  'log_parameter_max_length=-1',
]

/** One statement as the server saw it: when it began to run and when it had ended, ms since 1970. */
export type LoggedStatement = {
  /** Which of the server's processes ran it: one a connection. */
  readonly pid: string
  /** Its first line. */
  readonly text: string
  /** The values of its parameters, as the log writes them. */
  readonly parameters: string
  readonly beganAt: number
  readonly endedAt: number
}

const linePattern = /^(\d+\.\d+) (\d+) ([^|]*)\|(LOG|DETAIL|ERROR|FATAL|STATEMENT|CONTEXT|HINT|WARNING): {2}(.*)$/
const beginPattern = /^(?:execute [^:]+|statement): (.*)$/

/** Every statement that has ended of whoever calls themselves `applicationName…`, in the order of their ends. */
export const readStatements = async (logFile: string, applicationName: string): Promise<LoggedStatement[]> => {
  const running = new Map<string, { pid: string; text: string; parameters: string; beganAt: number }>()
  const ended: LoggedStatement[] = []
  for (const line of (await readFile(logFile, 'utf8')).split('\n')) {
    const [, seconds, pid = '', application = '', kind, message = ''] = linePattern.exec(line) ?? []
    if (seconds === undefined || !application.startsWith(applicationName)) continue
    const at = Number(seconds) * 1_000
    const begun = kind === 'LOG' ? beginPattern.exec(message) : null
    const current = running.get(pid)
    if (begun) running.set(pid, { pid, text: begun[1] ?? '', parameters: '', beganAt: at })
    else if (kind === 'DETAIL' && current) current.parameters = message
    else if (current && (kind === 'ERROR' || kind === 'FATAL' || message.startsWith('duration: '))) {
      ended.push({ ...current, endedAt: at })
      running.delete(pid)
    }
  }
  return ended
}
