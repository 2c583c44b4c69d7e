/** Where progress is told; standard output is for the outcome. */
type Terminal = { readonly isTTY: boolean; write(text: string): unknown }

/** Of a line that is drawn again and again, and of lines that stay, which a log is filled with. */
const drawnEveryMs = 200
const writtenEveryMs = 10_000
const barWidth = 30

/**
 * A bar that is drawn over itself in a terminal; elsewhere a line every ten seconds. The time left is what is left of the work, at
 * the pace so far. `done` takes the bar away.
 */
export const createProgress = (terminal: Terminal, clock: () => number) => {
  const startedAt = clock()
  let toldAt = startedAt
  const { isTTY } = terminal
  return {
    tell: (share: number): void => {
      const now = clock()
      if (now - toldAt < (isTTY ? drawnEveryMs : writtenEveryMs)) return
      toldAt = now
      const text = `${Math.floor(share * 100)} %, ${leftOf(share, now - startedAt)} left`
      terminal.write(isTTY ? `\r${barOf(share)} ${text}   ` : `${text}\n`)
    },
    done: (): void => {
      if (isTTY) terminal.write(`\r${' '.repeat(barWidth + 40)}\r`)
    },
  }
}

const barOf = (share: number) => {
  const full = Math.min(barWidth, Math.floor(share * barWidth))
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}]`
}

const leftOf = (share: number, elapsedMs: number): string => {
  if (share <= 0) return 'some time'
  const seconds = Math.ceil((elapsedMs * (1 - share)) / share / 1_000)
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
}
