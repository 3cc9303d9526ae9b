// Listens on every MX address of the internet, one port for all. A client is counted two turns of the event loop after
// its connection was accepted: by then the end of every connection it closed before has been seen, so that a client that
// closes one and opens another is never counted twice.

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

import { Session, type Post } from './session'

const tries = 50
const mostConnections = 10_000

export class Listeners {
  private readonly sessions = new Set<Session>()
  private servers: Server[] = []
  private connections = 0
  private closing = false
  port = 0

  /**
   * Binds every post's address to `port`; 0 = one that is free on all of them.
   * @throws Error (EADDRINUSE, EACCES, EADDRNOTAVAIL) where that is impossible; nothing is left open then
   */
  async open(posts: readonly Post[], port: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.bindAll(posts, port)
        return
      } catch (error) {
        await this.closeServers()
        const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
        if (port !== 0 || !taken || attempt >= tries) throw error
      }
    }
  }

  /** Everything the clients did is in the truth afterwards. */
  async close(): Promise<void> {
    this.closing = true
    const closed = this.closeServers()
    const sessions = [...this.sessions]
    for (const session of sessions) session.stop()
    await Promise.all([closed, ...sessions.map((session) => session.closed)])
  }

  private async bindAll(posts: readonly Post[], wanted: number): Promise<void> {
    let port = wanted
    for (const post of posts) {
      const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.admit(socket, post))
      server.maxConnections = mostConnections
      this.servers.push(server)
      port = await listen(server, post.mx.address, port)
    }
    this.port = port
  }

  private admit(socket: Socket, post: Post): void {
    // until the session listens: a client that resets at once is nobody's fault
    const ignore = (): void => undefined
    socket.on('error', ignore)
    setImmediate(() =>
      setImmediate(() => {
        if (this.closing) socket.destroy()
        if (socket.destroyed) return
        socket.off('error', ignore)
        const session = new Session(socket, post, ++this.connections)
        this.sessions.add(session)
        void session.closed.then(() => this.sessions.delete(session))
        socket.resume()
      }),
    )
  }

  private async closeServers(): Promise<void> {
    const servers = this.servers.splice(0)
    await Promise.all(servers.map((server) => new Promise<void>((done) => server.close(() => done()))))
  }
}

const listen = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
