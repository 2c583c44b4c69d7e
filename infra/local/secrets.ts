import { randomBytes } from 'node:crypto'
import { inLocalFolder, readJson, writeJson } from './local-folder.ts'

/** What a deployment keeps in its secret manager; here made once and kept beside the data that it encrypts. */
export type Secrets = {
  /** `id:base64`, as the core's MASTER_KEYS. */
  readonly masterKeys: string
  /** `id:base64`, shared by core and edge. */
  readonly edgeKeys: string
  readonly upstashToken: string
  readonly upstashReadOnlyToken: string
}

/** The secrets of this checkout, from `.perigee/secrets.json`; those that it lacks are made. */
export const localSecrets = (): Secrets => {
  const file = inLocalFolder('secrets.json')
  const secrets: Secrets = { ...newSecrets(), ...(readJson(file) as Partial<Secrets> | undefined) }
  writeJson(file, secrets)
  return secrets
}

const newSecrets = (): Secrets => ({
  masterKeys: `k1:${randomBytes(32).toString('base64')}`,
  edgeKeys: `k1:${randomBytes(32).toString('base64')}`,
  upstashToken: randomBytes(24).toString('base64url'),
  upstashReadOnlyToken: randomBytes(24).toString('base64url'),
})
