/**
 * The body of an answer, which is not read further than a bound.
 * @throws Error when it is longer than `bytesMax`; else as the connection does
 */
export const boundedText = async (response: Response, bytesMax: number): Promise<string> => {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    // Leaving the loop cancels the body.
    if (size > bytesMax) throw new Error(`${response.url} is longer than ${bytesMax} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
