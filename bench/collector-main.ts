import { createServer } from 'node:http'

/** A collector that takes everything and keeps nothing, as a process of its own: `node bench/collector-main.ts`. Environment: PORT. */
createServer((request, response) => {
  request.resume().on('end', () => response.setHeader('content-type', 'application/x-protobuf').end())
}).listen(Number(process.env.PORT), '127.0.0.1')
