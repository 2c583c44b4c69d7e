import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { run } from './command.ts'

/** A secret of Secret Manager; without a version the newest. */
const secretIdSchema = z
  .string()
  .regex(/^projects\/[^/]+\/secrets\/[\w-]+(\/versions\/(\d+|latest))?$/, 'must be projects/P/secrets/S/versions/N')

const bindingSchema = z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'a binding is named in capitals')

/** What Terraform says of the Worker: `vars` and `secrets` are its bindings, by the names under which it reads them. */
export const edgeSchema = z.strictObject({
  /** Of the Worker, in its account. */
  name: z.string().regex(/^[a-z][a-z0-9-]{1,62}$/, 'must be lower-case letters, digits and hyphens'),
  /** Which deployment this is, such as `production`. */
  environment: z.string().min(1),
  host: z.hostname(),
  account_id: z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 hexadecimal digits'),
  vars: z.record(bindingSchema, z.string()),
  secrets: z.record(bindingSchema, secretIdSchema),
})
export type EdgeOutput = z.infer<typeof edgeSchema>

const outputsSchema = z.object({
  edge: z.object({ value: edgeSchema }),
  /** Of Cloudflare's account, good for deploying Workers; Terraform makes one where it is asked for. */
  deploy_token: z.object({ value: z.string().min(1).nullable() }).optional(),
})

/** The output `edge`, and the token that deploys, where there is one. */
export type Outputs = { readonly edge: EdgeOutput; readonly deployToken: string | undefined }

const platform = 'terraform/platform'

/**
 * The outputs of `terraform/platform` that the Worker is deployed by, of its own state or from a file that holds what `terraform output -json` printed.
 * @throws Error that names each part that is missing or bad, and what to do
 */
export const readOutputs = async (
  environment: string,
  { file, folder }: { readonly file: string | undefined; readonly folder: string },
): Promise<Outputs> => {
  const { source, json } = await readPlatform({ file, folder })
  const outputs = outputsSchema.safeParse(json)
  if (!outputs.success) {
    const faults = outputs.error.issues.map(({ path, message }) => `  ${path.join('.') || 'all of it'}: ${message}`)
    throw new Error(`${source} does not say what the Worker needs. Was it applied?\n${faults.join('\n')}`)
  }
  const edge = outputs.data.edge.value
  if (edge.environment !== environment)
    throw new Error(
      `${source} is of ${edge.environment}, not of ${environment}: select its state, or say --env ${edge.environment}`,
    )
  const both = Object.keys(edge.vars).filter((name) => Object.hasOwn(edge.secrets, name))
  if (both.length > 0) throw new Error(`${source} gives ${both.join(', ')} both as a variable and as a secret`)
  return { edge, deployToken: outputs.data.deploy_token?.value ?? undefined }
}

/**
 * All outputs of `terraform/platform`, unchecked, of its own state or from a file that holds what `terraform output -json` printed;
 * and what to call the one that it was.
 */
export const readPlatform = async ({
  file,
  folder,
}: {
  readonly file: string | undefined
  readonly folder: string
}): Promise<{ readonly source: string; readonly json: unknown }> => {
  const source = file ?? `terraform -chdir=${platform} output`
  const text = file
    ? await readFile(file, 'utf8')
    : await run({ command: 'terraform', args: [`-chdir=${platform}`, 'output', '-json'], folder })
  return { source, json: parseJson(text, source) }
}

/** @throws Error that shows nothing of the text, in which there may be secrets */
const parseJson = (text: string, source: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error(`${source} is not JSON: it must be what terraform output -json prints`, { cause })
  }
}
