import { readFileSync } from 'node:fs'
import * as z from 'zod'
import type { CollectedPoint } from '#infra/local/collector.ts'

const conditionSchema = z.union([
  z.strictObject({ below: z.number() }),
  z.strictObject({ above: z.number() }),
  z.strictObject({ perSecondAbove: z.number().nonnegative() }),
  z.strictObject({ absentSeconds: z.number().positive() }),
])

const ruleSchema = z.strictObject({
  name: z.string().regex(/^[a-z-]+$/),
  metric: z.string(),
  /** What a series must say to be looked at; `*` at the end stands for anything. */
  attributes: z.record(z.string(), z.string()),
  condition: conditionSchema,
  forSeconds: z.number().nonnegative(),
  severity: z.enum(['page', 'ticket']),
  runbook: z.string(),
})

export type Rule = z.infer<typeof ruleSchema>

/** The rules of `infra/alerts.json`. */
export const readRules = (): Rule[] =>
  z.array(ruleSchema).parse(JSON.parse(readFileSync(new URL('../infra/alerts.json', import.meta.url), 'utf8')))

/** Metrics as they arrive, and which rules fire by then. */
export type Alerts = {
  take(points: readonly CollectedPoint[], atMs: number): void
  /** The names of the rules that fire. */
  firing(atMs: number): string[]
}

type Series = { readonly points: { value: number; atMs: number }[] }

/**
 * Evaluates rules as an alerting service does: each series by itself, a rule fires while its condition has held for as long as it
 * says.
 * @param scale by which the rules' times are multiplied, where a test's exports are faster than those of production
 */
export const createAlerts = (rules: readonly Rule[], scale: number): Alerts => {
  const series = new Map<string, Series>()
  const since = new Map<string, number>()
  const seenAt = new Map<string, number>()

  const update = (rule: Rule, key: string, { points }: Series) => {
    const [before, last] = [points.at(-2), points.at(-1)]
    const { condition } = rule
    const holds =
      last !== undefined &&
      (('below' in condition && last.value < condition.below) ||
        ('above' in condition && last.value > condition.above) ||
        ('perSecondAbove' in condition &&
          before !== undefined &&
          ((last.value - before.value) * 1_000) / (last.atMs - before.atMs) > condition.perSecondAbove / scale))
    const held = `${rule.name} ${key}`
    if (!holds) since.delete(held)
    else if (!since.has(held)) since.set(held, last.atMs)
  }

  return {
    take: (points, atMs) => {
      for (const { metric, attributes, resource, value } of points) {
        const key = `${metric} ${JSON.stringify(attributes)} ${resource['service.instance.id']}`
        const known = series.get(key) ?? { points: [] }
        known.points.push({ value, atMs })
        if (known.points.length > 2) known.points.shift()
        series.set(key, known)
        for (const rule of rules) {
          if (rule.metric !== metric || !matches(rule, attributes)) continue
          seenAt.set(rule.name, atMs)
          update(rule, key, known)
        }
      }
    },
    firing: (atMs) =>
      rules
        .filter(({ name, condition, forSeconds }) => {
          if ('absentSeconds' in condition)
            return atMs - (seenAt.get(name) ?? atMs) >= condition.absentSeconds * 1_000 * scale
          return [...since].some(
            ([key, from]) => key.startsWith(`${name} `) && atMs - from >= forSeconds * 1_000 * scale,
          )
        })
        .map(({ name }) => name),
  }
}

const matches = ({ attributes: wanted }: Rule, attributes: CollectedPoint['attributes']): boolean =>
  Object.entries(wanted).every(([name, value]) => {
    const found = String(attributes[name] ?? '')
    return value.endsWith('*') ? found.startsWith(value.slice(0, -1)) : found === value
  })
