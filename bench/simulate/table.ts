/** A Markdown table that reads well in a terminal too: the first column to the left, figures to the right. */
export const tableOf = (titles: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = titles.map((title, at) => Math.max(title.length, 3, ...rows.map((cells) => cells[at]?.length ?? 0)))
  const pad = (cell: string, at: number) => {
    const width = widths[at] ?? 0
    return at === 0 ? cell.padEnd(width) : cell.padStart(width)
  }
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = widths.map((width, at) => (at === 0 ? `:${'-'.repeat(width - 1)}` : `${'-'.repeat(width - 1)}:`))
  return [line(titles.map(pad)), line(rule), ...rows.map((cells) => line(cells.map(pad)))].join('\n')
}

/** Of a figure that is no better than its inputs: three digits, the thousands apart. */
export const rounded = (value: number): string => {
  if (value === 0) return '0'
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(Math.abs(value))) - 2)
  const places = value < 10 ? 1 : 0
  return (Math.round(value / digits) * digits).toLocaleString('en-GB', { maximumFractionDigits: places })
}

export const percent = (share: number): string => (share * 100).toFixed(1)

/** 10,000,000 as 10M. */
export const playersText = (players: number): string =>
  players >= 1_000_000 ? `${players / 1_000_000}M` : `${players / 1_000}k`
