// DNS for benchmarks: every domain has one MX host, every host is 127.0.0.1.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

import { decode, encode, type Answer } from 'dns-packet'

export class BenchDns {
  private constructor(private readonly socket: Socket) {}

  static async start(): Promise<BenchDns> {
    const socket = createSocket('udp4').on('message', (message, from) => {
      const query = decode(message)
      const [question] = query.questions ?? []
      if (!question) return
      const { name, type } = question
      const answers: Answer[] =
        type === 'MX'
          ? [{ type, name, ttl: 3600, data: { preference: 10, exchange: `mx.${name}` } }]
          : type === 'A'
            ? [{ type, name, ttl: 3600, data: '127.0.0.1' }]
            : []
      socket.send(
        encode({ type: 'response', id: query.id ?? 0, questions: [question], answers }),
        from.port,
        from.address,
      )
    })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new BenchDns(socket)
  }

  get port(): number {
    return this.socket.address().port
  }

  stop(): void {
    this.socket.close()
  }
}
