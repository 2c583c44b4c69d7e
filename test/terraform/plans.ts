import * as z from 'zod'
import type { Terraform } from './terraform.ts'

const changeSchema = z.object({
  address: z.string(),
  mode: z.string(),
  change: z.object({
    actions: z.array(z.string()),
    before: z.unknown(),
    after: z.unknown(),
    after_unknown: z.unknown(),
  }),
})

/** Of a line that `terraform test -json -verbose` prints, the plan of a run. */
const planSchema = z.object({
  '@testrun': z.string(),
  type: z.literal('test_plan'),
  test_plan: z.object({ resource_changes: z.array(changeSchema).default([]) }),
})

type Change = { readonly address: string; readonly actions: readonly string[]; readonly attributes: readonly string[] }

/** The runs of `platform/tests/changes.tftest.hcl`, by name, and what may change in each. */
const allowed: Readonly<Record<string, (change: Change) => boolean>> = {
  the_same_again: () => false,
  regions_in_another_order: () => false,
  // The job is made anew, which is how it runs; the services wait for it. Its name is one, so the old one goes first: whatever depends on
  // it and is to be made before it is destroyed would have it so too.
  another_image: ({ address, actions, attributes }) =>
    (/google_cloud_run_v2_job\.migrate/.test(address) && actions.join() === 'delete,create') ||
    (/terraform_data\.migration/.test(address) && actions.join() === 'update') ||
    (/google_cloud_run_v2_service\./.test(address) && actions.join() === 'update' && attributes.join() === 'template'),
  one_more_region: ({ address, actions, attributes }) => {
    const change = `${actions.join(' and ')} ${attributes.join(' and ')}`
    if (actions.join() === 'create') return address.includes('ap1')
    // All are told of the new one, its messages may be stored there, and somebody hears when it is silent.
    if (/google_cloud_run_v2_service\./.test(address)) return change === 'update template'
    if (/google_pubsub_topic\./.test(address)) return change === 'update message_storage_policy'
    return /google_monitoring_alert_policy\./.test(address) && change === 'update conditions'
  },
}

/** The mocked provider invents parameters for an action that takes none, and plans to take them away again. */
const isOfTheMock = ({ address, attributes }: Change): boolean =>
  address.includes('cloudflare_ruleset.firewall') && attributes.join() === 'rules'

/**
 * What a change changes, as the platform's plans tell: nothing where nothing is changed, in whatever order the regions stand; the
 * services alone where the image is another; and where a cell is added, of those that are there nothing that could be made anew. What is
 * unknown until it is applied counts as changed. Answers what is wrong; undefined where nothing is.
 */
export const checkPlans = async (terraform: Terraform): Promise<string | undefined> => {
  const args = ['test', '-json', '-verbose', '-filter=tests/changes.tftest.hcl']
  const { ok, output } = await terraform.run('platform', args)
  if (!ok) return errorsIn(output)
  const plans = new Map(output.split('\n').flatMap(planOf))
  const wrong = Object.entries(allowed).flatMap(([run, isAllowed]) => {
    const changes = plans.get(run)
    if (changes === undefined) return [`there is no plan of ${run}`]
    return changes
      .filter((change) => !isAllowed(change) && !isOfTheMock(change))
      .map(
        ({ address, actions, attributes }) => `${run}: ${actions.join(' and ')} ${address}: ${attributes.join(', ')}`,
      )
  })
  return wrong.length === 0 ? undefined : wrong.join('\n')
}

/** The name of a run, and what its plan changes; nothing for lines of other kinds. */
const planOf = (line: string): [string, Change[]][] => {
  if (!line.includes('"type":"test_plan"')) return []
  const { '@testrun': run, test_plan: plan } = planSchema.parse(JSON.parse(line))
  const changes = plan.resource_changes
    .filter(({ mode, change }) => mode === 'managed' && change.actions.join() !== 'no-op')
    .map(({ address, change }) => ({
      address,
      actions: change.actions,
      attributes: attributesOf(change.before, change.after, change.after_unknown),
    }))
  return [[run, changes]]
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The outermost members in which two differ, or that are unknown. */
const attributesOf = (before: unknown, after: unknown, unknown: unknown): string[] => {
  const [was, is, open] = [before, after, unknown].map((value) => (isObject(value) ? value : {}))
  const names = new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {}), ...Object.keys(open ?? {})])
  return [...names].filter(
    (name) => JSON.stringify(was?.[name]) !== JSON.stringify(is?.[name]) || hasUnknown(open?.[name]),
  )
}

const hasUnknown = (value: unknown): boolean =>
  value === true || (typeof value === 'object' && value !== null && Object.values(value).some(hasUnknown))

/** What a run's lines say of failures. */
const errorsIn = (output: string): string =>
  output
    .split('\n')
    .filter((line) => /"@level":"error"/.test(line))
    .map((line) => line.slice(0, 2_000))
    .join('\n')
