import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type * as z from 'zod'
import { deviceKeySchema, proofType } from '#contract/device-key.ts'

/** A device that has a key of its own, as a client makes it: the private half never leaves it. */
export type KeyedDevice = {
  readonly deviceKey: z.infer<typeof deviceKeySchema>
  /** A proof for a token, as of a moment; `over` puts other members in their place. */
  prove(
    refreshToken: string,
    nowMs: number,
    over?: {
      readonly header?: Readonly<Record<string, unknown>>
      readonly payload?: Readonly<Record<string, unknown>>
    },
  ): string
}

export const makeDevice = (): KeyedDevice => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    deviceKey: deviceKeySchema.parse(publicKey.export({ format: 'jwk' })),
    prove: (refreshToken, nowMs, { header, payload } = {}) => {
      const rth = createHash('sha256').update(refreshToken).digest('base64url')
      return jws(privateKey, {
        header: { alg: 'ES256', typ: proofType, ...header },
        payload: { rth, iat: Math.floor(nowMs / 1_000), ...payload },
      })
    },
  }
}

const jws = (key: KeyObject, { header, payload }: { readonly header: unknown; readonly payload: unknown }): string => {
  const text = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}
