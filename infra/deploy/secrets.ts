import { run } from './command.ts'

/**
 * The value of a secret, by gcloud: it comes through a pipe, and is on no disk and in no list of processes.
 * @param id `projects/P/secrets/S`, the newest version, or `projects/P/secrets/S/versions/N`
 * @throws Error that names the secret, never its value
 */
export const readSecret = async (id: string): Promise<string> => {
  const version = id.includes('/versions/') ? id : `${id}/versions/latest`
  const stored = await run({ command: 'gcloud', args: ['secrets', 'versions', 'access', version, '--quiet'] })
  // Files and `echo` end with a line break, and one that is a part of a token makes every call of it fail.
  const value = stored.replace(/\n$/, '')
  if (value === '') throw new Error(`the secret ${version} is empty`)
  if (value !== value.trim()) throw new Error(`the secret ${version} begins or ends with white space: store it without`)
  return value
}

/** The values of all, by the names of their bindings. One after the other: gcloud locks its own credentials. */
export const readSecrets = async (ids: Readonly<Record<string, string>>): Promise<Record<string, string>> => {
  const values: Record<string, string> = {}
  for (const [name, id] of Object.entries(ids)) values[name] = await readSecret(id)
  return values
}

/** Takes each of the values out of a text: as it is, as it stands in JSON, and each line of it, since programs print by lines. */
export const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  secrets
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), ...linesOf(secret)])
    // A longer one may begin with a shorter one, and its rest would be left.
    .toSorted((a, b) => b.length - a.length)
    .reduce((shown, part) => shown.replaceAll(part, '[secret]'), text)

/** A line that is shorter, such as a bracket, is no secret by itself. */
const lineLengthMin = 4

const linesOf = (secret: string) => secret.split('\n').filter((line) => line.trim().length >= lineLengthMin)
