// One question to one DNS server: over UDP, and again over TCP where the answer was cut off (RFC 1035 4.2, RFC 7766).
// The socket is connected and bound to a random port, and id and question are compared, so that a stranger's datagram
// is never taken for the answer. Always closes what it opened; a server that stays silent is a time-out.

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv6, connect } from 'node:net'

import { decode, encode, streamEncode, type DecodedPacket, type Packet } from 'dns-packet'

export type RecordType = 'MX' | 'A' | 'AAAA'

/** What decode() returns; its types leave the response code out. */
export type Response = DecodedPacket & { readonly rcode: string }

export interface Server {
  readonly address: string
  readonly port: number
}

export interface Question {
  readonly name: string
  readonly type: RecordType
}

/** Largest UDP answer asked for (EDNS0): what passes without fragments everywhere. */
const payload = 1232

const recursionDesired = 1 << 8

const queryFor = (question: Question, extended: boolean): Packet & { id: number } => ({
  type: 'query',
  id: randomInt(0x10000),
  flags: recursionDesired,
  questions: [{ ...question, class: 'IN' }],
  ...(extended
    ? {
        additionals: [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: payload,
            flags: 0,
            options: [],
            extendedRcode: 0,
            ednsVersion: 0,
            flag_do: false,
          },
        ],
      }
    : {}),
})

const answers = (packet: Response, query: { readonly id: number }, question: Question): boolean => {
  const [asked] = packet.questions ?? []
  return (
    packet.type === 'response' &&
    packet.id === query.id &&
    asked?.type === question.type &&
    asked.name.toLowerCase() === question.name.toLowerCase()
  )
}

/**
 * Asks one server.
 * @param timeoutMs for the whole exchange, TCP included
 * @throws Error where the server cannot be reached, does not answer in time or answers nonsense
 */
export const ask = async (server: Server, question: Question, timeoutMs: number): Promise<Response> => {
  const deadline = Date.now() + timeoutMs
  let answer = await overUdp(server, question, timeoutMs, true)
  // A server that knows no EDNS0 says so (RFC 6891 7).
  if (answer.rcode === 'FORMERR') answer = await overUdp(server, question, deadline - Date.now(), false)
  return answer.flag_tc ? overTcp(server, question, deadline - Date.now()) : answer
}

const overUdp = (server: Server, question: Question, timeoutMs: number, extended: boolean): Promise<Response> =>
  new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
    const query = queryFor(question, extended)
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      socket.on('error', () => undefined)
      socket.close()
      settle()
    }
    const fail = (error: Error): void => finish(() => reject(error))
    const timer = setTimeout(() => fail(new TimeoutError(server)), Math.max(1, timeoutMs))
    socket.on('error', fail)
    socket.on('message', (message) => {
      const packet = parse(message)
      // Not ours or not readable: somebody else's datagram; the answer may still come.
      if (packet && answers(packet, query, question)) finish(() => resolve(packet))
    })
    socket.connect(server.port, server.address, () => {
      socket.send(encode(query), (error) => {
        if (error) fail(error)
      })
    })
  })

const overTcp = (server: Server, question: Question, timeoutMs: number): Promise<Response> =>
  new Promise((resolve, reject) => {
    const query = queryFor(question, false)
    const socket = connect(server.port, server.address)
    let received = Buffer.alloc(0)
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      socket.on('error', () => undefined)
      socket.destroy()
      settle()
    }
    const fail = (error: Error): void => finish(() => reject(error))
    const timer = setTimeout(() => fail(new TimeoutError(server)), Math.max(1, timeoutMs))
    socket.on('error', fail)
    socket.on('close', () => fail(new Error(`${say(server)} closed the connection`)))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const packet = parse(received.subarray(2, 2 + received.readUInt16BE(0)))
      if (packet && answers(packet, query, question)) finish(() => resolve(packet))
      else fail(new Error(`${say(server)} answered something else`))
    })
    socket.write(streamEncode(query))
  })

const parse = (message: Buffer): Response | undefined => {
  try {
    return decode(message) as Response
  } catch {
    // dns-packet throws on any malformed packet, and there is nothing in it that we could use.
    return undefined
  }
}

const say = ({ address, port }: Server): string => `${address}#${port}`

export class TimeoutError extends Error {
  constructor(server: Server) {
    super(`${say(server)} did not answer`)
  }
}
