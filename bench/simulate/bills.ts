import { type Bill, billOf } from './bill.ts'
import { deployments, givenBy, type PricedDeployment } from './deployments.ts'
import { type Values, valuesOf } from './inputs.ts'
import { type Day, runSimulation } from './simulation.ts'

/** A deployment, its day, and what that costs. */
export type Billed = {
  readonly name: string
  readonly deployment: PricedDeployment
  readonly day: Day
  readonly bill: Bill
}

/** Simulates the day of each of `deployments`, and makes out its bill. `given` wins over what a deployment says of itself. */
export const runBills = async (options: {
  readonly seed: number
  readonly given: Partial<Values>
  readonly threads: number
}): Promise<readonly Billed[]> => {
  const billed: Billed[] = []
  for (const deployment of deployments) {
    const values = valuesOf({ ...givenBy(deployment), ...options.given })
    const { days } = await runSimulation({
      ...{ seed: options.seed, players: [deployment.players], isQuick: true, only: ['day'], values },
      threads: options.threads,
    })
    const [day] = days
    if (!day) throw new Error('a simulation of one number of players has one day')
    billed.push({ name: deployment.name, deployment, day, bill: billOf(deployment, day, values) })
  }
  return billed
}
