// What the sidecar's parts need of a logger: pino's shape, so that tests can pass an array-backed one.

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** For parts that are told nothing. */
export const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
