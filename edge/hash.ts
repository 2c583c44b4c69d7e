const encoder = new TextEncoder()

/** SHA-256 of bytes, or of a text as UTF-8; hex, 64 digits. */
export const sha256 = async (content: string | ReturnType<TextEncoder['encode']>): Promise<string> => {
  const bytes = typeof content === 'string' ? encoder.encode(content) : content
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).toHex()
}
