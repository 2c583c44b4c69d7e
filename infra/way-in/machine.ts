import { run } from '#infra/deploy/command.ts'
import type { CellOutput } from './cell-output.ts'

/** A machine in a cell's network that Google's Identity-Aware Proxy lets people reach, and nobody else. */
export type Machine = { readonly name: string; readonly zone: string; readonly project: string }

/** From where Google's proxy comes, which asks who somebody is before. https://cloud.google.com/iap/docs/using-tcp-forwarding */
const proxyRange = '35.235.240.0/20'

/**
 * Makes the machine where there is none, and the one firewall rule that it needs. It has no address outside, no account and no rights,
 * and deletes itself after `hours`; one that is there already is used for as long as it has left.
 */
export const ensureMachine = async (
  { deployment, cell, project }: CellOutput,
  { zone, hours, tell }: { readonly zone: string; readonly hours: number; readonly tell: (line: string) => void },
): Promise<Machine> => {
  const name = `${deployment}-${cell}-way-in`
  const rule = `${deployment}-way-in`
  const gcloud = (...args: readonly string[]) =>
    run({ command: 'gcloud', args: ['compute', ...args, `--project=${project}`, '--quiet'] })
  const isThere = async (kind: 'instances' | 'firewall-rules', what: string, ...where: readonly string[]) =>
    (await gcloud(kind, 'list', `--filter=name=${what}`, '--format=value(name)', ...where)).trim() !== ''

  if (!(await isThere('firewall-rules', rule))) {
    tell(`Lets Identity-Aware Proxy in to machines of the tag ${rule}`)
    await gcloud(
      ...['firewall-rules', 'create', rule, `--network=${deployment}-network`, '--direction=INGRESS'],
      ...['--allow=tcp:22', `--source-ranges=${proxyRange}`, `--target-tags=${rule}`],
    )
  }
  if (!(await isThere('instances', name, `--zones=${zone}`))) {
    tell(`Makes the machine ${name}, which deletes itself after ${hours} h`)
    await gcloud(
      ...['instances', 'create', name, `--zone=${zone}`, '--machine-type=e2-micro', `--tags=${rule}`],
      ...[`--subnet=${deployment}-${cell}-subnet`, '--no-address', '--no-service-account', '--no-scopes'],
      ...['--image-family=debian-12', '--image-project=debian-cloud', '--shielded-secure-boot'],
      ...['--metadata=enable-oslogin=TRUE', `--max-run-duration=${hours}h`, '--instance-termination-action=DELETE'],
    )
  }
  return { name, zone, project }
}
