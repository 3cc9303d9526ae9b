// Answers DNS over UDP and TCP on one loopback port (RFC 1035, EDNS sizes by RFC 6891) and counts what it was asked.
// A packet that cannot be read is dropped and counted; nothing a client sends can stop the server.

import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  streamDecode,
  streamEncode,
  TRUNCATED_RESPONSE,
  type Answer,
  type Packet,
} from 'dns-packet'

import type { Zone, ZoneAnswer } from './zone'

const tries = 50
const plainUdp = 512
const mostNames = 10_000
const tcpIdleMs = 10_000

const rcodes = { NOERROR: 0, NXDOMAIN: 3, SERVFAIL: 2 } as const

export interface DnsCounts {
  readonly queries: number
  readonly unreadable: number
  readonly by_type: Readonly<Record<string, number>>
  /** `TYPE name`, the first 10,000 different ones */
  readonly by_question: Readonly<Record<string, number>>
}

export class DnsServer {
  private udp: UdpSocket | undefined
  private tcp: Server | undefined
  private readonly clients = new Set<Socket>()
  private queries = 0
  private unreadable = 0
  private byType = new Map<string, number>()
  private byQuestion = new Map<string, number>()

  constructor(private readonly zone: Zone) {}

  /**
   * UDP and TCP on the same port; 0 = one that is free for both. Returns the port.
   * @throws Error where the address cannot be bound
   */
  async open(host: string, port: number): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.bind(host, port)
      } catch (error) {
        await this.close()
        const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
        if (port !== 0 || !taken || attempt >= tries) throw error
      }
    }
  }

  async close(): Promise<void> {
    const { udp, tcp } = this
    this.udp = this.tcp = undefined
    for (const client of this.clients) client.destroy()
    if (udp) await new Promise<void>((done) => udp.close(() => done()))
    if (tcp?.listening) await new Promise<void>((done) => tcp.close(() => done()))
  }

  counts(): DnsCounts {
    return {
      queries: this.queries,
      unreadable: this.unreadable,
      by_type: Object.fromEntries(this.byType),
      by_question: Object.fromEntries(this.byQuestion),
    }
  }

  clearCounts(): void {
    this.queries = this.unreadable = 0
    this.byType.clear()
    this.byQuestion.clear()
  }

  private async bind(host: string, wanted: number): Promise<number> {
    const udp = createSocket('udp4')
    this.udp = udp
    udp.bind(wanted, host)
    await once(udp, 'listening')
    const { port } = udp.address()
    udp.on('message', (packet, from) => this.onDatagram(udp, packet, from.port, from.address))
    // ICMP answers to replies nobody waits for; the socket itself stays good
    udp.on('error', () => this.unreadable++)

    const tcp = createServer((socket) => this.onClient(socket))
    this.tcp = tcp
    tcp.listen(port, host)
    await once(tcp, 'listening')
    return (tcp.address() as AddressInfo).port
  }

  private onDatagram(udp: UdpSocket, packet: Buffer, port: number, address: string): void {
    const query = this.read(() => decode(packet))
    const response = query && this.respond(query)
    if (!response) return
    const whole = encode(response)
    udp.send(whole.length <= udpRoom(query) ? whole : encode(truncated(response)), port, address)
  }

  private onClient(socket: Socket): void {
    this.clients.add(socket)
    let rest = Buffer.alloc(0)
    socket.setTimeout(tcpIdleMs, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.clients.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const length = 2 + rest.readUInt16BE(0)
        const one = rest.subarray(0, length)
        rest = rest.subarray(length)
        const query = this.read(() => streamDecode(one))
        const response = query && this.respond(query)
        if (response) socket.write(streamEncode(response))
      }
    })
  }

  private read(decoded: () => Packet | null): Packet | undefined {
    try {
      const packet = decoded()
      if (packet?.type === 'query') return packet
    } catch {
      // counted below like a packet of the wrong kind
    }
    this.unreadable++
    return undefined
  }

  private respond(query: Packet): Packet | undefined {
    const [question] = query.questions ?? []
    if (!question) {
      this.unreadable++
      return undefined
    }
    this.count(question.type, question.name)
    const answer = this.zone(question.name, question.type)
    return answer.end === 'drop' ? undefined : packetOf(query, answer)
  }

  private count(type: string, name: string): void {
    this.queries++
    this.byType.set(type, (this.byType.get(type) ?? 0) + 1)
    const key = `${type} ${name.toLowerCase()}`
    const known = this.byQuestion.get(key)
    if (known !== undefined || this.byQuestion.size < mostNames) this.byQuestion.set(key, (known ?? 0) + 1)
  }
}

/** RD (RFC 1035 4.1.1) is copied into the answer. */
const recursionDesired = 1 << 8

const packetOf = (query: Packet, answer: Extract<ZoneAnswer, { end: 'answer' }>): Packet => ({
  type: 'response',
  id: query.id ?? 0,
  flags: AUTHORITATIVE_ANSWER | ((query.flags ?? 0) & recursionDesired) | rcodes[answer.rcode],
  questions: query.questions ?? [],
  answers: answer.records as Answer[],
  authorities: answer.authority as Answer[],
  additionals: hasEdns(query)
    ? [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: 4096,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ]
    : [],
})

const hasEdns = (query: Packet): boolean => query.additionals?.some(({ type }) => type === 'OPT') === true

const udpRoom = (query: Packet): number => {
  const opt = query.additionals?.find((record) => record.type === 'OPT')
  return opt ? Math.max(plainUdp, opt.udpPayloadSize) : plainUdp
}

const truncated = (response: Packet): Packet => ({
  ...response,
  flags: (response.flags ?? 0) | TRUNCATED_RESPONSE,
  answers: [],
  authorities: [],
})
