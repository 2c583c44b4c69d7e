import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '#infra/local/command.ts'
import { findExecutable } from '#infra/local/executable.ts'

/** What makes certificates; undefined where it is not installed. */
export const openssl = findExecutable('openssl')

/** An authority of a test's own. */
export type Authority = {
  /** Its certificate: PEM, and where it lies. */
  readonly ca: string
  readonly caFile: string
  /** A server's certificate for a name or none, and its key, in files. @param subjectName such as `IP:127.0.0.1` */
  issue(subjectName?: string): Promise<{ readonly certificateFile: string; readonly keyFile: string }>
  remove(): Promise<void>
}

/** Longer than any test, and no longer. */
const validDays = '1'
const commandMaxMs = 10_000

/** @throws Error where there is no `openssl` on PATH */
export const createAuthority = async (): Promise<Authority> => {
  if (openssl === undefined) throw new Error('there is no openssl on PATH')
  const command = openssl
  const folder = await mkdtemp(join(tmpdir(), 'perigee-authority-'))
  const [caFile, caKeyFile] = [join(folder, 'ca.pem'), join(folder, 'ca.key')]
  const make = (args: readonly string[]) =>
    runCommand({
      ...{ name: 'openssl', command, maxMs: commandMaxMs },
      args: [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        validDays,
        ...args,
      ],
    })
  await make(['-keyout', caKeyFile, '-out', caFile, '-subj', '/CN=Authority of a test'])
  let issued = 0
  return {
    ca: readFileSync(caFile, 'utf8'),
    caFile,
    issue: async (subjectName) => {
      const name = `server-${++issued}`
      const [certificateFile, keyFile] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)]
      const names = subjectName === undefined ? [] : ['-addext', `subjectAltName=${subjectName}`]
      const signedBy = ['-CA', caFile, '-CAkey', caKeyFile, '-addext', 'basicConstraints=critical,CA:false']
      await make([...signedBy, ...names, '-keyout', keyFile, '-out', certificateFile, '-subj', `/CN=${name}`])
      return { certificateFile, keyFile }
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
