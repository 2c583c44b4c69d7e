import { Hono } from 'hono'

/** What a Worker costs that does nothing: routes of Hono, with the answer that ours would give to the same request. */

type Bindings = {
  /** The answer's body and headers, as JSON. */
  readonly ANSWER: string
}

type Answer = { readonly body: string; readonly headers: Readonly<Record<string, string>> }

/** Parsed by the isolate's first request. */
let answer: Answer | undefined

const app = new Hono<{ Bindings: Bindings }>()
app.get('/v1/players/:playerId', (c) => {
  answer ??= JSON.parse(c.env.ANSWER) as Answer
  const { body, headers } = answer
  return c.req.header('if-none-match') === headers.etag
    ? new Response(null, { status: 304, headers })
    : new Response(body, { headers })
})
for (const path of ['/ofrep/v1/evaluate/flags', '/ofrep/v1/evaluate/flags/:key'])
  app.post(path, async (c) => {
    answer ??= JSON.parse(c.env.ANSWER) as Answer
    // Read to its end, and not looked at.
    await c.req.text()
    return new Response(answer.body, { headers: answer.headers })
  })

export default app
