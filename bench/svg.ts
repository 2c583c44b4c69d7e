/** Colours that stay apart for colour-blind eyes, and in grey. */
export const colours = {
  rate: '#448877',
  server: '#ee8866',
  behind: '#77aadd',
  third: '#bbaa44',
  text: '#222222',
  faint: '#767676',
  line: '#dddddd',
}

type TextStyle = { readonly size?: number; readonly weight?: number; readonly colour?: string; readonly end?: boolean }

/** A line of text whose foot is at (x, y), pixels; `end`: it ends there. */
export const text = (x: number, y: number, content: string, style: TextStyle = {}): string => {
  const { size = 13, weight = 400, colour = colours.text, end = false } = style
  const anchor = end ? ' text-anchor="end"' : ''
  return `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" fill="${colour}"${anchor}>${escaped(content)}</text>`
}

const escaped = (content: string) => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** A drawing of its own, on white. */
export const drawing = (
  of: { readonly width: number; readonly height: number; readonly title: string },
  parts: readonly string[],
): string => {
  const { width, height, title } = of
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif" role="img">
<title>${escaped(title)}</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`
}

/** A whole number with its thousands apart. */
export const grouped = (value: number): string => Math.round(value).toLocaleString('en-GB')
