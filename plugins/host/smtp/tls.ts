// TLS for connections out: one secure context for all of them (building one costs more than a whole delivery), and
// the sessions of servers met before, so that a new connection can resume them.

import { isIP } from 'node:net'
import { createSecureContext, type ConnectionOptions, type SecureContext, type SecureContextOptions } from 'node:tls'

import type { Connection } from './connection'

const sessionLimit = 1000

export class TlsSettings {
  private context: { readonly of: SecureContextOptions; readonly secure: SecureContext } | undefined
  private readonly sessions = new Map<string, Buffer>()

  /** @param options what the operator configured (tls.ini [outbound]); a new object means new settings */
  constructor(private readonly options: () => SecureContextOptions) {}

  /**
   * @param host name for SNI and verification; none is sent for a literal address (RFC 6066 3)
   * @param key tells servers apart for session resumption
   */
  for(host: string, key: string, verify: boolean): ConnectionOptions {
    const session = this.sessions.get(key)
    return {
      secureContext: this.secureContext(),
      rejectUnauthorized: verify,
      ...(isIP(host) ? {} : { servername: host }),
      ...(session ? { session } : {}),
    }
  }

  /** Keeps the sessions the server hands out on this connection. */
  keepSessions(connection: Connection, key: string): void {
    connection.onTlsSession((session) => {
      this.sessions.delete(key)
      this.sessions.set(key, session)
      if (this.sessions.size <= sessionLimit) return
      const [oldest] = this.sessions.keys()
      if (oldest !== undefined) this.sessions.delete(oldest)
    })
  }

  /** A server that fails the handshake may be refusing our old session. */
  forget(key: string): void {
    this.sessions.delete(key)
  }

  private secureContext(): SecureContext {
    const of = this.options()
    if (this.context?.of !== of) {
      this.context = { of, secure: createSecureContext(of) }
      this.sessions.clear()
    }
    return this.context.secure
  }
}
