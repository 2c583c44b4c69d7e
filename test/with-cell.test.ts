import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { startWorld, type World } from './harness.ts'

const project = fileURLToPath(new URL('..', import.meta.url))

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world?.stop())

const folders: string[] = []
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

/**
 * A gcloud that knows the secrets of eu1, keeps the machines and rules that it makes, and whose ssh leads to the world's Postgres,
 * wherever it is asked to lead. The first try of ssh fails, as that of a machine does that has just been made.
 */
const gcloud = `
const { appendFileSync, existsSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const net = require('node:net')
const args = process.argv.slice(2)
const at = (name) => join(__dirname, name)
appendFileSync(at('calls.ndjson'), JSON.stringify(args) + '\\n')
const secrets = JSON.parse(process.env.FAKE_SECRETS)
const kind = args[1] + ' ' + args[2]
const known = at(args[1] ?? '')
if (args[0] === 'secrets') process.stdout.write(secrets[args[3].split('/')[3]])
else if (kind.endsWith(' list')) process.stdout.write(existsSync(known) ? args[3].split('=').at(-1) : '')
else if (kind.endsWith(' create')) writeFileSync(known, '')
else if (args[1] === 'ssh' && !existsSync(at('up'))) { writeFileSync(at('up'), ''); console.error('port 22 refused'); process.exit(255) }
else if (args[1] === 'ssh') {
  const [, port] = args.at(-1).split(':')
  const server = net.createServer((socket) => {
    const to = net.connect(Number(process.env.FAKE_POSTGRES_PORT), '127.0.0.1')
    socket.pipe(to).pipe(socket)
    socket.on('error', () => to.destroy())
    to.on('error', () => socket.destroy())
  })
  // One that is lost listens, but not where it should.
  server.listen(process.env.FAKE_SSH === 'lost' ? 0 : Number(port), '127.0.0.1', () =>
    writeFileSync(at('tunnel'), String(server.address().port)))
  // Nobody ends one that is left behind.
  setTimeout(() => process.exit(0), 60_000)
} else { console.error('nobody expected: gcloud ' + args.join(' ')); process.exit(99) }
`

const idOf = (secret: string) => `projects/acme/secrets/perigee-eu1-${secret}`
const outputs = {
  cells: {
    value: {
      eu1: {
        region: 'europe-west1',
        secrets: { 'database-url': idOf('database-url'), 'master-keys': idOf('master-keys') },
      },
    },
  },
  edge: { value: { vars: { CONTROL_CELL: 'eu1' } } },
}

const start = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-way-in-'))
  folders.push(folder)
  const own = new URL(world.databaseUrl)
  const privateUrl = new URL(world.databaseUrl)
  privateUrl.hostname = '10.255.0.3'
  privateUrl.port = '5432'
  await writeFile(join(folder, 'gcloud.cjs'), gcloud)
  await writeFile(join(folder, 'outputs.json'), JSON.stringify(outputs))
  await writeFile(join(folder, 'gcloud'), `#!/bin/sh\nexec "${process.execPath}" "${folder}/gcloud.cjs" "$@"\n`)
  await chmod(join(folder, 'gcloud'), 0o755)
  const env = {
    ...process.env,
    PATH: `${folder}:${dirname(process.execPath)}:/usr/bin:/bin`,
    FAKE_SECRETS: JSON.stringify({
      'perigee-eu1-database-url': privateUrl.href,
      'perigee-eu1-master-keys': world.secrets.masterKeys,
    }),
    FAKE_POSTGRES_PORT: own.port || '5432',
  }
  const begin = (args: readonly string[], changes: NodeJS.ProcessEnv = {}) => {
    const ended = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>()
    const all = ['infra/with-cell.ts', '--outputs', join(folder, 'outputs.json'), ...args]
    const options = { cwd: project, env: { ...env, ...changes } }
    const child = execFile(process.execPath, all, options, (error, stdout, stderr) =>
      ended.resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
    return { child, ended: ended.promise }
  }
  return {
    folder,
    begin,
    run: (...args: readonly string[]) => begin(args).ended,
    /** Rejects while there is no tunnel. */
    tunnelPort: async () =>
      z.coerce
        .number()
        .min(1)
        .parse(await readFile(join(folder, 'tunnel'), 'utf8')),
    calls: async (): Promise<string[]> =>
      (await readFile(join(folder, 'calls.ndjson'), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).join(' ')),
  }
}

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

test('a command reaches the database of a cell through a machine that is made for it, and leaves no tunnel behind', async () => {
  const stage = await start()
  const made = await stage.run(
    'eu1',
    '--',
    'node',
    'core/commands/keys.ts',
    'create',
    'publishable',
    '--name',
    'through',
    '--json',
  )
  expect(made.code, made.stderr).toBe(0)
  expect(JSON.parse(made.stdout)).toMatchObject({ key: expect.stringMatching(/^pk_/) })
  const calls = await stage.calls()
  const created = calls.filter((call) => call.includes(' create '))
  expect(created).toHaveLength(2)
  expect(created[0]).toMatch(
    /firewall-rules create perigee-way-in --network=perigee-network .*--source-ranges=35\.235\.240\.0\/20 --target-tags=perigee-way-in/,
  )
  for (const part of [
    'perigee-eu1-way-in',
    '--zone=europe-west1-b',
    '--subnet=perigee-eu1-subnet',
    '--no-address',
    '--no-service-account',
    '--max-run-duration=2h',
    '--instance-termination-action=DELETE',
    '--project=acme',
  ])
    expect(created[1]).toContain(part)
  expect(calls.at(-1)).toMatch(
    /compute ssh perigee-eu1-way-in .*--tunnel-through-iap .*-L 127\.0\.0\.1:\d+:10\.255\.0\.3:5432$/,
  )
  const port = await stage.tunnelPort()
  await expect.poll(() => isFree(port)).toBe(true)

  const again = await stage.run('eu1', '--', 'node', 'core/commands/keys.ts', 'list')
  expect(again.stdout).toContain('name: through')
  expect((await stage.calls()).filter((call) => call.includes(' create '))).toHaveLength(2)
})

test('its exit code is that of the command, and nothing secret is printed or an argument', async () => {
  const stage = await start()
  const failed = await stage.run('eu1', '--', 'node', 'core/commands/keys.ts', 'revoke', 'key_nobody')
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain('no live key has the id key_nobody')
  const all = failed.stdout + failed.stderr + (await stage.calls()).join('\n')
  expect(all).not.toContain(world.secrets.masterKeys)
  expect(all).not.toContain('postgres://')
})

test.each([
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const)('a %s while the tunnel is still being opened leaves nothing of it behind', async (signal, code) => {
  const stage = await start()
  const { child, ended } = stage.begin(['eu1', '--', 'true'], { FAKE_SSH: 'lost' })
  const port = await vi.waitFor(stage.tunnelPort, 20_000)
  child.kill(signal)
  expect((await ended).code).toBe(code)
  await expect.poll(() => isFree(port)).toBe(true)
})

test.each(['SIGHUP', 'SIGTERM'] as const)('a %s ends the command, and the tunnel after it', async (signal) => {
  const stage = await start()
  const command =
    "process.on(process.argv[1], () => process.exit(7)); console.log('runs'); setInterval(() => {}, 60_000)"
  const { child, ended } = stage.begin(['eu1', '--', 'node', '-e', command, signal])
  await once(child.stdout ?? child, 'data')
  const port = await stage.tunnelPort()
  child.kill(signal)
  expect((await ended).code).toBe(7)
  await expect.poll(() => isFree(port)).toBe(true)
})

test('where there are no outputs yet a cell is found by its names', async () => {
  const stage = await start()
  const named = await stage.run(
    '--project',
    'acme',
    '--region',
    'europe-west1',
    'eu1',
    '--',
    'node',
    '-p',
    'process.env.CONTROL_CELL',
  )
  expect(named).toMatchObject({ code: 0, stdout: 'eu1\n' })
  const half = await stage.run('--project', 'acme', 'eu1', '--', 'true')
  expect(half.stderr).toContain('--project goes with --region')
})

test('a cell that there is not, and a call without a command, are refused before anything is made', async () => {
  const stage = await start()
  const unknown = await stage.run('us1', '--', 'true')
  expect(unknown).toMatchObject({ code: 1, stderr: 'there is no cell us1: there are eu1\n' })
  const inherited = await stage.run('constructor', '--', 'true')
  expect(inherited.stderr).toBe('there is no cell constructor: there are eu1\n')
  const without = await stage.run('eu1')
  expect(without.code).toBe(1)
  expect(without.stderr).toContain('npm run with-cell -- CELL -- COMMAND')
  const hours = await stage.run('--hours', '25', 'eu1', '--', 'true')
  expect(hours.stderr).toContain('--hours is a whole number from 1 to 24')
  await writeFile(join(stage.folder, 'outputs.json'), 'the-token is no JSON')
  const garbage = await stage.run('eu1', '--', 'true')
  expect(garbage).toMatchObject({ code: 1, stderr: expect.stringContaining('outputs.json is not JSON') })
  expect(garbage.stderr).not.toContain('the-token')
  await expect(stage.calls()).rejects.toThrow('ENOENT')
})
