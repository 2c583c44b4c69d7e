import { type ChildProcess, spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import type { Machine } from './machine.ts'

/** A port of this machine that leads to an address in a cell's network. */
export type Tunnel = { readonly port: number; close(): void }

/** A machine that has just been made takes half a minute until it takes connections. */
const openMaxMs = 180_000
const retryMs = 3_000
const lookMs = 250
/** As shells say it of whoever was interrupted. */
const interruptedCode = 130
/** Of what gcloud said last. */
const saidCharactersMax = 2_000

/**
 * Opens a tunnel through a machine, and tries until that takes connections.
 * @throws Error with what gcloud said last, after three minutes
 */
export const openTunnel = async (
  { name, zone, project }: Machine,
  { host, port: remotePort }: { readonly host: string; readonly port: number },
): Promise<Tunnel> => {
  const port = await freePort()
  const args = ['compute', 'ssh', name, `--zone=${zone}`, `--project=${project}`, '--tunnel-through-iap', '--quiet']
  const ssh = ['-N', '-o', 'ExitOnForwardFailure=yes', '-L', `127.0.0.1:${port}:${host}:${remotePort}`]
  let child: ChildProcess | undefined
  let said = ''
  const start = () => {
    // A group of its own, since gcloud starts ssh, and the end of the one is not the end of the other.
    const started = spawn('gcloud', [...args, '--', ...ssh], { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
    started.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-saidCharactersMax)
    })
    started.on('error', (error) => {
      said = error.message
    })
    return started
  }
  const close = () => {
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid)
  }
  // Its group does not hear what the terminal tells this process.
  const giveUp = () => {
    close()
    process.exit(interruptedCode)
  }
  process.once('SIGINT', giveUp)
  const until = Date.now() + openMaxMs
  for (let startedAt = 0; Date.now() < until; await pause(lookMs)) {
    const isRunning = child !== undefined && child.exitCode === null && child.signalCode === null
    if (!isRunning && Date.now() - startedAt >= retryMs) {
      child = start()
      startedAt = Date.now()
    }
    if (isRunning && (await takesConnections(port))) {
      process.off('SIGINT', giveUp)
      return { port, close }
    }
  }
  close()
  throw new Error(`no tunnel through ${name} within ${openMaxMs / 1_000} s: ${said.trim()}`)
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

const takesConnections = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
