import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { AbstractConnector } from 'ioredis'

/** Of ioredis's options those that a connection needs; it has a default for each. */
type Target = {
  readonly host: string
  readonly port: number
  readonly family: number
  readonly tls: ConnectionOptions
  readonly disconnectTimeout: number
}

/**
 * Connects to a Redis in TLS, as ioredis does by itself, but hears every error of the socket. A socket in TLS can tell two: what
 * the server said, and then that what was being written has failed. ioredis hears the first one, and nobody the second, of which
 * the process would end.
 */
export class RedisTlsConnector extends AbstractConnector {
  readonly #target: Target

  /** @param options those of ioredis, which makes one for each client */
  constructor(options: unknown) {
    const target = options as Target
    super(target.disconnectTimeout)
    this.#target = target
  }

  /** Begins to connect; whether that succeeds is told by the socket's events. */
  override async connect(): Promise<TLSSocket> {
    const { host, port, family, tls } = this.#target
    this.connecting = true
    const socket = connect({ host, port, ...{ family }, ...tls })
    socket.on('error', (error) => {
      this.firstError = error
    })
    this.stream = socket
    return socket
  }
}
