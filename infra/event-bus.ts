/** One event on its way: CloudEvents attributes, and the data as JSON text. */
export type BusMessage = {
  /** Messages of one key are delivered in the order in which they were published, as long as none is redelivered. */
  readonly orderingKey: string
  readonly attributes: Readonly<Record<string, string>>
  readonly data: string
}

/** At least once; a message whose handler rejects comes again. */
export type BusHandler = (message: BusMessage) => Promise<void>

export type EventBus = {
  /** For each message, whether it is durably with the bus. Never rejects; bounded in time. */
  publish(messages: readonly BusMessage[]): Promise<boolean[]>
  /** Starts to deliver to a handler. The name is the subscription's: two that share it share the messages. */
  subscribe(name: string, handler: BusHandler): Promise<void>
  /** Stops to deliver, and waits for handlers that run. */
  close(): Promise<void>
}
