import * as z from 'zod'
import { readPlatform } from '#infra/deploy/outputs.ts'

/** Where a cell's database and its secrets are found. */
export type CellOutput = {
  readonly cell: string
  readonly controlCell: string
  /** Of Google Cloud. */
  readonly project: string
  readonly region: string
  /** What the names of all parts begin with, such as `perigee`. */
  readonly deployment: string
  /** Of the secrets, as `projects/P/secrets/S`. */
  readonly databaseUrl: string
  readonly masterKeys: string
}

const databaseUrlPattern = /^projects\/([^/]+)\/secrets\/(.+)-database-url$/

const outputsSchema = z.object({
  cells: z.object({
    value: z.record(
      z.string(),
      z.object({
        region: z.string(),
        secrets: z.object({ 'database-url': z.string().regex(databaseUrlPattern), 'master-keys': z.string() }),
      }),
    ),
  }),
  edge: z.object({ value: z.object({ vars: z.object({ CONTROL_CELL: z.string() }) }) }),
})

/**
 * What the outputs of `terraform/platform` say of a cell, of its own state or from a file that holds what `terraform output -json` printed.
 * @throws Error that says what is missing, or which cells there are
 */
export const readCellOutput = async (
  cell: string,
  { file, folder }: { readonly file: string | undefined; readonly folder: string },
): Promise<CellOutput> => {
  const { source, json } = await readPlatform({ file, folder })
  const outputs = outputsSchema.safeParse(json)
  if (!outputs.success)
    throw new Error(`${source} does not say where cells are. Was it applied?\n${z.prettifyError(outputs.error)}`)
  const { cells, edge } = outputs.data
  const found = Object.hasOwn(cells.value, cell) ? cells.value[cell] : undefined
  if (!found) throw new Error(`there is no cell ${cell}: there are ${Object.keys(cells.value).join(', ')}`)
  const databaseUrl = found.secrets['database-url']
  const [, project = '', name = ''] = databaseUrl.match(databaseUrlPattern) ?? []
  return {
    ...{ cell, controlCell: edge.value.vars.CONTROL_CELL, project, region: found.region },
    ...{ deployment: name.slice(0, -`-${cell}`.length), databaseUrl, masterKeys: found.secrets['master-keys'] },
  }
}

/** A cell that no output tells of yet, as a first apply is still under way: its secrets by the names that Terraform gives them. */
export const namedCell = (
  cell: string,
  place: Pick<CellOutput, 'project' | 'region' | 'deployment' | 'controlCell'>,
): CellOutput => {
  const secret = (name: string) => `projects/${place.project}/secrets/${place.deployment}-${cell}-${name}`
  return { cell, ...place, databaseUrl: secret('database-url'), masterKeys: secret('master-keys') }
}
