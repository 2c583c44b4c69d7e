import { glob, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { metrics } from '#core/metrics.ts'

/** What Terraform's objectives, alerts and dashboard ask for, held to what the cores report. */

const root = new URL('../', import.meta.url)
const kinds = ['gauge', 'counter', 'histogram'] as const
type Kind = (typeof kinds)[number]

/** The kind of each metric, from the line of the core that makes it. */
const readKinds = async (): Promise<ReadonlyMap<string, Kind>> => {
  const found = new Map<string, Kind>()
  for await (const file of glob('core/**/*.ts', { cwd: root.pathname })) {
    const text = await readFile(new URL(file, root), 'utf8')
    for (const [, how, observed, key] of text.matchAll(
      /telemetry\.(counter|histogram|observe)\((?:'(gauge|counter)', )?metrics\.(\w+)/g,
    )) {
      const kind = kinds.find((one) => one === (observed ?? how))
      if (kind && key) found.set(key, kind)
    }
  }
  return found
}

/**
 * The name that the collector's exporter for Managed Service for Prometheus gives a metric.
 * @see https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#otlp-metric-points-to-prometheus
 */
const prometheusName = ({ name, unit }: { readonly name: string; readonly unit: string }, kind: Kind): string => {
  const base = name.replace(/[^A-Za-z0-9]+/g, '_')
  const ofUnit = unit === 's' ? '_seconds' : unit === '1' && kind === 'gauge' ? '_ratio' : ''
  return base + ofUnit + (kind === 'counter' ? '_total' : '')
}

test('every metric of the core is known to Terraform by the name that the collector gives it', async () => {
  const known = await readKinds()
  const expected = Object.fromEntries(
    Object.entries(metrics).map(([key, metric]) => {
      const kind = known.get(key)
      if (!kind) throw new Error(`no line of the core makes the metric ${metric.name}`)
      return [metric.name, { name: prometheusName(metric, kind), kind }]
    }),
  )
  expect(Object.values(metrics).map(({ unit }) => unit)).toSatisfy((units: string[]) =>
    units.every((unit) => unit === 's' || unit === '1' || /^\{\w+\}$/.test(unit)),
  )
  const path = 'terraform/modules/observability/metrics.json'
  expect(JSON.parse(await readFile(new URL(path, root), 'utf8')), path).toEqual(expected)
})

test('the bounds that an objective of latency may have are those that the core measures by', async () => {
  const [core, terraform] = await Promise.all(
    ['core/watch-requests.ts', 'terraform/modules/observability/variables.tf'].map((file) =>
      readFile(new URL(file, root), 'utf8'),
    ),
  )
  const measured = /const seconds = (\[[^\]]+\])/.exec(core ?? '')?.[1]
  const allowed = /contains\((\[0\.001[^\]]+\])/.exec(terraform ?? '')?.[1]
  expect(measured).toBeDefined()
  expect(allowed).toBe(measured)
})

test('deployments and cells are told apart by the same labels in what the collector sends and in what alerts ask for', async () => {
  const [collector, alerts, objectives] = await Promise.all(
    ['core-service/collector.tf', 'observability/alerts.tf', 'observability/objectives.tf'].map((file) =>
      readFile(new URL(`terraform/modules/${file}`, root), 'utf8'),
    ),
  )
  expect(collector).toMatch(/collector_target = \{.* cluster = local\.deployment, namespace = local\.cell \}/)
  expect(alerts).toMatch(/cluster=\\"\$\{var\.name\}\\"/)
  expect(alerts).toMatch(/namespace=\\"\$\{cell\}\\"/)
  expect(objectives).toMatch(/resource\.labels\.cluster=\\"\$\{var\.name\}\\"/)
  expect(objectives).toMatch(/resource\.labels\.namespace=\\"\$\{of\.cell\}\\"/)
})
