import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import * as z from 'zod'
import type { GoogleKey } from './google-identity.ts'

const usage = `The key by which the edge is known at Google: the private half is a secret of the Worker, the public half is uploaded.

  edge-key create --private FILE [--jwks FILE]     makes a pair; the private key is written to a new file that only you can read
  edge-key create --private - --jwks FILE          the same, to standard output: … | wrangler secret put GOOGLE_KEY
  edge-key retire KEY_ID --jwks FILE               takes a public key away

The set of public keys is what Terraform uploads. With --jwks it is kept in that file, the new key first, else it is printed. A
key is exchanged without a gap in three steps: create, and apply, so that Google knows both; put the new secret; retire the
old one, and apply. Call it by npm run --silent where its output goes on to something else.`

/** Google documents these members, and that there may be no others. */
const publicKeySchema = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  alg: z.literal('ES256'),
  use: z.literal('sig'),
  kid: z.string(),
  x: z.base64url(),
  y: z.base64url(),
})
const keySetSchema = z.strictObject({ keys: z.array(publicKeySchema) })

export type EdgeKeySet = z.infer<typeof keySetSchema>
type PublicKey = EdgeKeySet['keys'][number]

/** A new pair; its id is a hash of the public key, so that no two have the same. */
export const createEdgeKey = async (): Promise<{ privateKey: GoogleKey; publicKey: PublicKey }> => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const { x = '', y = '', d = '' } = await exportJWK(pair.privateKey)
  const curve = { kty: 'EC', crv: 'P-256' } as const
  // A hash alone may begin like an option of a command.
  const kid = `edge-${await calculateJwkThumbprint({ ...curve, x, y })}`
  return { privateKey: { ...curve, kid, x, y, d }, publicKey: { ...curve, alg: 'ES256', use: 'sig', kid, x, y } }
}

/** Ends the command with a message for whoever typed it. */
class UsageError extends Error {}

/** Those of a file; none where there is no such file. @throws UsageError where it holds anything else */
const readKeySet = (file: string | undefined): EdgeKeySet => {
  if (file === undefined || !existsSync(file)) return { keys: [] }
  try {
    return keySetSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    throw new UsageError(`${file} is no set of public keys that this command has made`)
  }
}

const textOf = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

const create = async (privateFile: string | undefined, keySetFile: string | undefined): Promise<void> => {
  if (privateFile === undefined) throw new UsageError(`--private is missing\n\n${usage}`)
  if (privateFile === '-' && keySetFile === undefined)
    throw new UsageError('the private key goes to standard output: --jwks says where the public one is to be')
  const { keys } = readKeySet(keySetFile)
  const { privateKey, publicKey } = await createEdgeKey()
  const secret = `${JSON.stringify(privateKey)}\n`
  const keySet: EdgeKeySet = { keys: [publicKey, ...keys] }
  const keepPublic = () => {
    if (keySetFile === undefined) process.stdout.write(textOf(keySet))
    else writeFileSync(keySetFile, textOf(keySet))
  }
  // A file with the secret first: a public key whose private half was not kept would only be in the way. What is printed is put to
  // use by whatever reads it, and then a public key that was not kept would shut the edge out.
  if (privateFile !== '-') writeFileSync(privateFile, secret, { mode: 0o600, flag: 'wx' })
  keepPublic()
  if (privateFile === '-') process.stdout.write(secret)
  console.error(`made ${publicKey.kid}; ${keySet.keys.length} public keys`)
}

const retire = (kid: string | undefined, keySetFile: string | undefined): void => {
  if (kid === undefined || keySetFile === undefined) throw new UsageError(usage)
  const { keys } = readKeySet(keySetFile)
  const left = keys.filter((key) => key.kid !== kid)
  if (left.length === keys.length) throw new UsageError(`${keySetFile} has no key ${kid}`)
  if (left.length === 0)
    throw new UsageError('it is the only one: without it no edge is let in; create another one first')
  writeFileSync(keySetFile, textOf({ keys: left }))
  console.error(`retired ${kid}; ${left.length} public keys`)
}

const main = async (): Promise<void> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { private: { type: 'string' }, jwks: { type: 'string' } },
  })
  const [action, kid] = positionals
  if (action === 'create') return create(values.private, values.jwks)
  if (action === 'retire') return retire(kid, values.jwks)
  throw new UsageError(usage)
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  })
}
