import type { Terraform } from './terraform.ts'

/** What somebody could do to these files by mistake; a validation or a test has to say so. */
export type Fault = {
  readonly name: string
  /** Below terraform/. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** The folder whose check fails for it. */
  readonly caughtBy: string
  /** A check beside those of the folder. */
  readonly check?: (terraform: Terraform) => Promise<string | undefined>
  /** In what is said of it: so that it is not something else that failed. */
  readonly said: RegExp
}

export const faults: readonly Fault[] = []
