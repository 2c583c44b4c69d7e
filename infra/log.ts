/** Writes one JSON object a line. Fields must hold no secret, token or body: the log is read by more people than the data. */
export type Log = {
  info(message: string, fields?: LogFields): void
  /** `error` is described without the values that a query was given. */
  error(message: string, error: unknown, fields?: LogFields): void
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * A log whose every line carries `service`. `severity` and `message` are the names that Google Cloud Logging reads.
 * @param write takes a line without its line break; must not throw
 */
export const createLog = (service: LogFields, write: (line: string) => void): Log => {
  const line = (severity: string, message: string, fields: Readonly<Record<string, unknown>>) =>
    write(JSON.stringify({ severity, time: new Date().toISOString(), message, ...service, ...fields }))
  return {
    info: (message, fields = {}) => line('INFO', message, fields),
    error: (message, error, fields = {}) => line('ERROR', message, { ...fields, error: describe(error) }),
  }
}

/** How many causes of an error are told. */
const causesMax = 5

/** The chain of causes, each as name, message and code. A query's error repeats its parameters, so only its cause is told. */
const describe = (error: unknown) => {
  const chain: { name: string; message: string; code?: string; at?: string }[] = []
  for (
    let cause = error;
    cause !== undefined && chain.length < causesMax;
    cause = cause instanceof Error ? cause.cause : undefined
  ) {
    if (!(cause instanceof Error)) {
      chain.push({ name: typeof cause, message: String(cause) })
    } else if (!('params' in cause)) {
      const code = 'code' in cause ? { code: String(cause.code) } : {}
      const at = cause.stack
        ?.split('\n')
        .slice(1, 4)
        .map((frame) => frame.trim())
        .join(' < ')
      chain.push({ name: cause.name, message: cause.message, ...code, ...(at ? { at } : {}) })
    }
  }
  return chain
}
