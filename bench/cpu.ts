import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** Linux reports to programs in ticks of 10 ms, whatever its own clock. */
const microsecondsPerTick = 10_000
/** Unless its scheduler keeps count of each thread: then in nanoseconds, and a thread that has ended is not counted any more. */
const countsThreads = existsSync('/proc/self/schedstat')

type Stat = { readonly parent: number; readonly own: number; readonly endedChildren: number }

/** CPU that a process has used so far, microseconds, in all its threads; undefined where the system does not tell. */
export const cpuOf = (pid: number): number | undefined => statOf(pid)?.own

/** The same with its children, those that have ended included: Postgres is a process for each connection. */
export const cpuOfFamily = (pid: number): number | undefined => {
  const head = statOf(pid)
  if (!head) return undefined
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statOf(Number(name)))
    .filter((stat) => stat?.parent === pid)
  return children.reduce((sum, child) => sum + (child?.own ?? 0), head.own + head.endedChildren)
}

/** CPU that everything on this machine has used so far, microseconds; undefined where the system does not tell. */
export const cpuOfMachine = (): number | undefined => {
  try {
    // user, nice, system, idle, iowait, irq, softirq, steal: what a neighbour on the host has taken is gone for us too.
    const ticks =
      readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? []
    return (
      ticks.reduce((sum, value, index) => (index === 3 || index === 4 ? sum : sum + value), 0) * microsecondsPerTick
    )
  } catch {
    return undefined
  }
}

/** Fields 4 and 14 to 17 of `/proc/<pid>/stat`. The second, a name in brackets, can hold anything. @see proc(5) */
const statOf = (pid: number): Stat | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const ticks = (field: number) => Number(fields[field - 3]) * microsecondsPerTick
    const own = countsThreads ? cpuOfThreads(pid) : ticks(14) + ticks(15)
    return { parent: Number(fields[1]), own, endedChildren: ticks(16) + ticks(17) }
  } catch {
    return undefined
  }
}

const cpuOfThreads = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + cpuOfThread(`/proc/${pid}/task/${thread}`), 0)

/** Microseconds; 0 of one that has just ended. @see the kernel's documentation of schedstats: first the time on a CPU, ns */
const cpuOfThread = (folder: string): number => {
  try {
    return Number(readFileSync(`${folder}/schedstat`, 'latin1').split(' ', 1)[0]) / 1_000
  } catch {
    return 0
  }
}
