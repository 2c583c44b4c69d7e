import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const root = new URL('../', import.meta.url)
const target = new URL('dist/assets/', root)
const swagger = new URL('node_modules/swagger-ui-dist/', root)

/** The page around Swagger UI. Everything that it loads comes from the deployment itself. */
const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Perigee API</title>
    <link rel="icon" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="api"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script>SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true, persistAuthorization: true })</script>
  </body>
</html>
`

/** Gathers the files that are deployed with the Worker into `dist/assets`. Run by wrangler before it bundles. */
const gather = async () => {
  await rm(target, { recursive: true, force: true })
  await mkdir(new URL('docs/', target), { recursive: true })
  await writeFile(new URL('docs/index.html', target), page)
  for (const file of ['openapi.json', 'events.json']) await cp(new URL(`contract/${file}`, root), new URL(file, target))
  await cp(new URL('docs/errors/', root), new URL('docs/errors/', target), { recursive: true })
  for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']) {
    await cp(new URL(file, swagger), new URL(`docs/${file}`, target))
  }
  console.log(`the Worker's files are in ${fileURLToPath(target)}`)
}

await gather()
