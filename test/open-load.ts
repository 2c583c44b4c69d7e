import { setTimeout as pause } from 'node:timers/promises'

/** A call of an open load, as its caller saw it. */
export type Called = {
  readonly name: string
  /** 0 where no answer came. */
  readonly status: number
  readonly durationMs: number
  /** Milliseconds after the load began. */
  readonly at: number
}

export type OpenLoadOptions = {
  /** Calls a second, which come whether or not the earlier ones have been answered. */
  readonly rate: number
  readonly seconds: number
  readonly random: () => number
  /** Sends one call. @returns its name and the status of its answer; a rejection is no answer */
  readonly call: () => { readonly name: string; readonly answer: Promise<number> }
}

/** Callers who know nothing of each other, so that a slow answer does not slow them down. Resolves when all have their answer. */
export const runOpenLoad = async ({ rate, seconds, random, call }: OpenLoadOptions): Promise<Called[]> => {
  const calls: Promise<Called>[] = []
  const startedAt = performance.now()
  for (let due = 0; due < seconds * 1_000; due += (-Math.log(1 - random()) * 1_000) / rate) {
    const aheadMs = startedAt + due - performance.now()
    if (aheadMs > 1) await pause(aheadMs)
    const sentAt = performance.now()
    const { name, answer } = call()
    calls.push(
      answer
        .catch(() => 0)
        .then((status) => ({ name, status, durationMs: performance.now() - sentAt, at: sentAt - startedAt })),
    )
  }
  return Promise.all(calls)
}
