import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { inject } from 'vitest'

/** Clones the migrated template; the clone is dropped by `drop`. */
export const cloneDatabase = async (): Promise<{ url: string; drop: () => Promise<void> }> => {
  const { serverUrl, template } = inject('postgres')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const admin = postgres(serverUrl, { max: 1, onnotice: () => {} })
  await admin.unsafe(`create database ${name} template ${template} strategy file_copy`)
  const drop = async () => {
    await admin.unsafe(`drop database if exists ${name} with (force)`)
    await admin.end()
  }
  return { url: serverUrl.replace(/\/postgres$/, `/${name}`), drop }
}
