/**
 * What raw workerd does not have: a `ratelimits` binding, as an extension that workerd wraps into one. It counts in windows
 * of `periodSeconds`, in the memory of each isolate.
 * @see https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/
 */
export default ({ limit, periodSeconds }) => {
  const counts = new Map()
  let window = 0
  return {
    limit: async ({ key }) => {
      const current = Math.floor(Date.now() / (periodSeconds * 1_000))
      if (current !== window) counts.clear()
      window = current
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      return { success: count <= limit }
    },
  }
}
