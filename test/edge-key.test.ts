import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { googleKeySchema } from '#infra/google-identity.ts'

const program = fileURLToPath(new URL('../infra/edge-key.ts', import.meta.url))

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-edge-key-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const run = (...args: string[]): Promise<{ code: number; printed: string; told: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, printed, told) =>
      resolve({ code: Number(error?.code ?? 0), printed, told }),
    )
  })

const readKeys = async (file: string): Promise<Record<string, string>[]> =>
  JSON.parse(await readFile(file, 'utf8')).keys

test('a new key’s private half is in a file of its owner alone, and what is printed is the public half as Google takes it', async () => {
  const file = join(await newFolder(), 'edge.json')
  const { code, printed, told } = await run('create', '--private', file)
  expect([code, told]).toEqual([0, expect.stringMatching(/^made edge-/)])
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const { d, ...key } = googleKeySchema.parse(JSON.parse(await readFile(file, 'utf8')))
  expect(JSON.parse(printed)).toEqual({ keys: [{ ...key, alg: 'ES256', use: 'sig' }] })
  expect(printed + told).not.toContain(d)
})

test('a private key that is there is not written over', async () => {
  const file = join(await newFolder(), 'edge.json')
  await writeFile(file, 'precious')
  const { code, printed } = await run('create', '--private', file)
  expect([code, printed]).toEqual([1, ''])
  expect(await readFile(file, 'utf8')).toBe('precious')
})

test('a private key is not printed where its public half cannot be kept', async () => {
  const keySet = join(await newFolder(), 'absent', 'jwks.json')
  const { code, printed, told } = await run('create', '--private', '-', '--jwks', keySet)
  expect([code, printed, told]).toEqual([1, '', expect.stringContaining('ENOENT')])
})

test('a key is exchanged by way of a file with both public keys, out of which the old one is taken at the end', async () => {
  const keySet = join(await newFolder(), 'jwks.json')
  const made = []
  for (let key = 0; key < 2; key++) {
    const { code, printed } = await run('create', '--private', '-', '--jwks', keySet)
    expect(code).toBe(0)
    made.push(googleKeySchema.parse(JSON.parse(printed)).kid)
  }
  const [old = '', next = ''] = made
  expect((await readKeys(keySet)).map(({ kid }) => kid)).toEqual([next, old])
  expect((await run('retire', old, '--jwks', keySet)).code).toBe(0)
  expect((await readKeys(keySet)).map(({ kid }) => kid)).toEqual([next])
  expect(await run('retire', old, '--jwks', keySet)).toMatchObject({
    code: 1,
    told: expect.stringContaining('has no key'),
  })
  expect(await run('retire', next, '--jwks', keySet)).toMatchObject({
    code: 1,
    told: expect.stringContaining('only one'),
  })
  expect((await readKeys(keySet)).map(({ kid }) => kid)).toEqual([next])
})

test('what is missing is said, and a file that is no set of public keys is left as it is', async () => {
  const folder = await newFolder()
  const other = join(folder, 'other.json')
  const holdsPrivate = JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-256', d: 'secret' }] })
  await writeFile(other, holdsPrivate)
  expect((await run()).told).toContain('edge-key create')
  expect((await run('create')).told).toContain('--private is missing')
  expect((await run('create', '--private', '-')).told).toContain('--jwks says where')
  const { code, printed, told } = await run('create', '--private', '-', '--jwks', other)
  expect([code, printed, told]).toEqual([1, '', expect.stringContaining('is no set of public keys')])
  expect(await readFile(other, 'utf8')).toBe(holdsPrivate)
})
