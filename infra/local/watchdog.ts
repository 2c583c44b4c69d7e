import { createInterface } from 'node:readline'

/**
 * A program of its own, started by `watch.ts`: ends the processes of a parent that died without ending them, as one
 * that is killed with SIGKILL does. It learns of the death by the end of its standard input, which the kernel closes.
 *
 * Input, one line each: `watch <target> <signal>` and `forget <target>`; a target is what `process.kill` takes.
 */

/** As long as a Postgres with work in hand needs to shut down in order. */
const graceMs = 5_000
const pollMs = 50

const signals = new Map<number, string>()

const send = (target: number, signal: string | 0): boolean => {
  try {
    return process.kill(target, signal)
  } catch {
    return false
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, target, signal = 'SIGTERM'] = line.split(' ')
  if (verb === 'watch') signals.set(Number(target), signal)
  if (verb === 'forget') signals.delete(Number(target))
}

for (const [target, signal] of signals) send(target, signal)
const lastMs = Date.now() + graceMs
while (Date.now() < lastMs && [...signals.keys()].some((target) => send(target, 0)))
  await new Promise((resolve) => setTimeout(resolve, pollMs))
for (const target of signals.keys()) send(target, 'SIGKILL')
