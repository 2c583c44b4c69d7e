import type { Values } from './inputs.ts'

/** A process of the core as `terraform/platform` sizes it, in each cell. */
type Service = { readonly min: number; readonly max: number; readonly cpu: number; readonly memoryGib: number }

/** A deployment by those of Terraform's variables that it pays for; all cells alike. */
export type PricedDeployment = {
  readonly name: string
  /** Concurrent in the evening. */
  readonly players: number
  readonly cells: number
  /** `database`: by `tier` vCPUs and GiB; `standby` is `high_availability`; `copies` are `replica` and `recovery_region`. */
  readonly database: {
    readonly vcpus: number
    readonly memoryGib: number
    readonly diskGb: number
    readonly standby: boolean
    readonly copies: number
  }
  readonly api: Service
  readonly worker: Service
  /** `edge_cache.read_regions`. */
  readonly readRegions: number
}

const defaultWorker = { min: 1, max: 3, cpu: 1, memoryGib: 1 }

/** The three of terraform/README.md. Where a variable is as Terraform has it by default, so it is here. */
export const deployments: readonly PricedDeployment[] = [
  {
    ...{ name: 'small', players: 10_000, cells: 1, readRegions: 0, worker: defaultWorker },
    database: { vcpus: 2, memoryGib: 8, diskGb: 100, standby: true, copies: 0 },
    api: { min: 2, max: 10, cpu: 2, memoryGib: 1 },
  },
  {
    ...{ name: 'medium', players: 100_000, cells: 1, readRegions: 1, worker: defaultWorker },
    database: { vcpus: 4, memoryGib: 16, diskGb: 500, standby: true, copies: 1 },
    api: { min: 2, max: 10, cpu: 2, memoryGib: 1 },
  },
  {
    ...{ name: 'large', players: 1_000_000, cells: 3, readRegions: 2, worker: defaultWorker },
    database: { vcpus: 8, memoryGib: 32, diskGb: 1_000, standby: true, copies: 1 },
    api: { min: 2, max: 10, cpu: 2, memoryGib: 1 },
  },
]

/** The model's figures that a deployment decides. */
export const givenBy = ({ cells, readRegions }: PricedDeployment): Partial<Values> => ({
  cells,
  upstashRegions: readRegions + 1,
})
