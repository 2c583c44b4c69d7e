/** When each thing got each of its versions, so that an answer can be told how long it is outdated. */
export const createHistory = () => {
  const written = new Map<string, { readonly version: number; readonly atMs: number }[]>()
  return {
    note: (key: string, version: number, atMs: number) => {
      written.set(key, [...(written.get(key) ?? []), { version, atMs }])
    },
    /** How long ago, at `atMs`, a version was superseded; 0 for the newest. */
    staleMs: (key: string, version: number, atMs: number): number => {
      const next = written.get(key)?.find((one) => one.version > version)
      return next ? Math.max(0, atMs - next.atMs) : 0
    },
  }
}
