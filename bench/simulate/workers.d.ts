/**
 * Of Cloudflare's types those that the edge's routing names, so that it can be checked for Node as well: the model runs it there.
 */
interface Request {
  readonly cf?: { readonly continent?: unknown }
}
interface RateLimit {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>
}
interface Fetcher {
  fetch(request: Request): Promise<Response>
}
