import { boundedText } from './bounded-text.ts'
import type { IdTokenSource } from './id-tokens.ts'

/** By this name every machine of Google Cloud reaches its own metadata server; `GCE_METADATA_HOST` names another one. */
export const metadataHost = 'metadata.google.internal'

/** An ID token has about a kilobyte. */
const tokenBytesMax = 16_384

/**
 * ID tokens of the service account that the process runs as, from the machine's metadata server, which keeps each until its last
 * minutes. Rejects with what it answered, and with nothing of a token.
 * @see https://cloud.google.com/run/docs/securing/service-identity#identity_tokens
 */
export const createMetadataIdentity = (options: {
  readonly audience: string
  /** `host` or `host:port` */
  readonly host: string
}): IdTokenSource => {
  const url = new URL(`http://${options.host}/computeMetadata/v1/instance/service-accounts/default/identity`)
  url.searchParams.set('audience', options.audience)
  return async (signal) => {
    const response = await fetch(url, { headers: { 'metadata-flavor': 'Google' }, signal, redirect: 'manual' })
    const text = await boundedText(response, tokenBytesMax)
    if (response.status !== 200) throw new Error(`the metadata server answered ${response.status}`)
    // Whatever else answers under this name, on a machine that is none of Google's.
    if (response.headers.get('metadata-flavor') !== 'Google') throw new Error('what answered is no metadata server')
    return text.trim()
  }
}
