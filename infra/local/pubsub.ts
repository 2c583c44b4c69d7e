import { readdirSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findExecutable } from './executable.ts'
import { type Child, startChild, untilReady } from './process.ts'

export type FoundEmulator = { readonly java: string; readonly jar: string }

export type PubSubEmulatorOptions = {
  /** What `findPubSubEmulator` found. */
  readonly found: FoundEmulator
  readonly port: number
  readonly logFile: string
}

/** `host` is what `PUBSUB_EMULATOR_HOST` takes. */
export type PubSubEmulator = Child & { readonly host: string }

/** A Java machine starts in 1-3 s, and in more where two cores are shared with the rest of the stack. */
const readyMaxMs = 30_000
const probeMaxMs = 1_000

/**
 * Topics and messages live in its heap; unbounded, Java would take a quarter of the machine. Beside everything else on two cores it is to
 * start soon and work little: its second compiler and its parallel collectors cost more than they give back within minutes.
 */
const javaOptions = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']

/**
 * Google's emulator in the Cloud SDK that `gcloud` on PATH belongs to; undefined where it, or Java, is not installed.
 */
export const findPubSubEmulator = (): FoundEmulator | undefined => {
  const gcloud = findExecutable('gcloud')
  const java = findExecutable('java')
  if (gcloud === undefined || java === undefined) return undefined
  const folder = join(dirname(dirname(realpathSync(gcloud))), 'platform', 'pubsub-emulator', 'lib')
  const jar = listQuietly(folder).find((name) => /^cloud-pubsub-emulator-.*-all\.jar$/.test(name))
  return jar === undefined ? undefined : { java, jar: join(folder, jar) }
}

const listQuietly = (folder: string): string[] => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/**
 * Starts the emulator by its JAR. `gcloud beta emulators` would put Python and a shell between us and the process that
 * has to be stopped, and writes to the home folder.
 * @throws Error with the end of the log, when it does not start
 */
export const startPubSubEmulator = async (options: PubSubEmulatorOptions): Promise<PubSubEmulator> => {
  const { found, port, logFile } = options
  const child = await startChild({
    name: 'Pub/Sub emulator',
    command: found.java,
    args: [...javaOptions, '-jar', found.jar, '--host=127.0.0.1', `--port=${port}`],
    logFile,
  })
  const host = `127.0.0.1:${port}`
  await untilReady(child, readyMaxMs, async () => {
    const response = await fetch(`http://${host}/`, { signal: AbortSignal.timeout(probeMaxMs) })
    return response.ok
  })
  return { ...child, host }
}
