// The stub resolver against real servers on loopback: UDP, TCP after a cut answer, faults, a silent server.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server as TcpServer } from 'node:net'

import { decode, encode, streamEncode, type Answer, type DecodedPacket, type Packet } from 'dns-packet'
import { afterEach, expect, test } from 'vitest'

import { Stub } from '../../../plugins/host/dns/stub'
import { readServer } from '../../../plugins/host/dns/servers'
import type { Server } from '../../../plugins/host/dns/exchange'

type Reply = (query: DecodedPacket, transport: 'udp' | 'tcp') => Packet | 'silence'

const open: (Socket | TcpServer)[] = []

afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

const serve = async (reply: Reply): Promise<Server & { readonly asked: string[] }> => {
  const asked: string[] = []
  const answer = (message: Buffer, transport: 'udp' | 'tcp') => {
    const query = decode(message)
    asked.push(`${transport} ${query.questions?.[0]?.type} ${query.questions?.[0]?.name}`)
    const said = reply(query, transport)
    return said === 'silence'
      ? undefined
      : ({ type: 'response', id: query.id, questions: query.questions, ...said } as Packet)
  }
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (data) => {
      const packet = answer(data.subarray(2), 'tcp')
      // In two pieces, as a network may deliver it.
      if (!packet) return
      const bytes = streamEncode(packet)
      socket.write(bytes.subarray(0, 5))
      setImmediate(() => socket.write(bytes.subarray(5)))
    })
  })
  await once(tcp.listen(0, '127.0.0.1'), 'listening')
  const { port } = tcp.address() as AddressInfo
  const udp = createSocket('udp4')
  udp.on('message', (message, from) => {
    const packet = answer(message, 'udp')
    if (packet) udp.send(encode(packet), from.port, from.address)
  })
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  open.push(tcp, udp)
  return { address: '127.0.0.1', port, asked }
}

const NXDOMAIN = 3
const SERVFAIL = 2
const FORMERR = 1
const truncated = 1 << 9

const soa = (minimum: number, ttl: number): Answer => ({
  type: 'SOA',
  name: 'test',
  ttl,
  data: { mname: 'ns.test', rname: 'root.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
})

test('MX records come with the smallest TTL', async () => {
  const server = await serve(() => ({
    answers: [
      { type: 'MX', name: 'd.test', ttl: 300, data: { preference: 10, exchange: 'a.d.test' } },
      { type: 'MX', name: 'd.test', ttl: 200, data: { preference: 20, exchange: 'b.d.test' } },
    ],
  }))
  expect(await new Stub(() => [server]).mx('d.test')).toEqual({
    kind: 'records',
    ttl: 200,
    records: [
      { exchange: 'a.d.test', preference: 10 },
      { exchange: 'b.d.test', preference: 20 },
    ],
  })
})

test('a cut answer is asked for again over TCP', async () => {
  const server = await serve((_query, transport) =>
    transport === 'udp'
      ? { flags: truncated }
      : { answers: [{ type: 'A', name: 'h.test', ttl: 5, data: '192.0.2.1' }] },
  )
  expect(await new Stub(() => [server]).addresses('h.test', 'A')).toMatchObject({ records: ['192.0.2.1'] })
  expect(server.asked).toEqual(['udp A h.test', 'tcp A h.test'])
})

test('aliases are followed, and strange records are not taken', async () => {
  const server = await serve(() => ({
    answers: [
      { type: 'A', name: 'end.test', ttl: 50, data: '192.0.2.1' },
      { type: 'CNAME', name: 'middle.test', ttl: 40, data: 'end.test' },
      { type: 'CNAME', name: 'h.test', ttl: 60, data: 'middle.test' },
      { type: 'A', name: 'evil.test', ttl: 60, data: '192.0.2.66' },
    ],
  }))
  expect(await new Stub(() => [server]).addresses('h.test', 'A')).toEqual({
    kind: 'records',
    records: ['192.0.2.1'],
    ttl: 40,
  })
})

test('NXDOMAIN is remembered as long as the SOA says', async () => {
  const server = await serve(() => ({ flags: NXDOMAIN, authorities: [soa(120, 900)] }))
  expect(await new Stub(() => [server]).mx('d.test')).toMatchObject({ fault: 'NXDOMAIN', ttl: 120 })
})

test('an answer without records is NODATA', async () => {
  const server = await serve(() => ({ authorities: [soa(900, 30)] }))
  expect(await new Stub(() => [server]).mx('d.test')).toMatchObject({ fault: 'NODATA', ttl: 30 })
})

test('a failing server is passed over, and told where no other answers', async () => {
  const broken = await serve(() => ({ flags: SERVFAIL }))
  const good = await serve(() => ({ answers: [{ type: 'A', name: 'h.test', ttl: 5, data: '192.0.2.1' }] }))
  expect(await new Stub(() => [broken, good]).addresses('h.test', 'A')).toMatchObject({ records: ['192.0.2.1'] })
  expect(await new Stub(() => [broken]).addresses('h.test', 'A')).toMatchObject({ fault: 'SERVFAIL' })
})

test('a server that knows no EDNS0 is asked without it', async () => {
  const server = await serve((query) =>
    query.additionals && query.additionals.length > 0
      ? { flags: FORMERR }
      : { answers: [{ type: 'A', name: 'h.test', ttl: 5, data: '192.0.2.1' }] },
  )
  expect(await new Stub(() => [server]).addresses('h.test', 'A')).toMatchObject({ records: ['192.0.2.1'] })
})

test('silence is a time-out', async () => {
  const server = await serve(() => 'silence')
  expect(await new Stub(() => [server], [30, 60]).addresses('h.test', 'A')).toMatchObject({ fault: 'TIMEOUT' })
  expect(server.asked).toHaveLength(2)
})

test('nobody listening is a failure, not a crash', async () => {
  const server = await serve(() => 'silence')
  for (const one of open.splice(0)) one.close()
  expect(await new Stub(() => [server], [500]).addresses('h.test', 'A')).toMatchObject({ kind: 'fault' })
})

test('resolvers are written as ip or ip:port', () => {
  expect(readServer('192.0.2.1')).toEqual({ address: '192.0.2.1', port: 53 })
  expect(readServer('192.0.2.1:5353')).toEqual({ address: '192.0.2.1', port: 5353 })
  expect(readServer('[2001:db8::1]:5353')).toEqual({ address: '2001:db8::1', port: 5353 })
  expect(readServer('2001:db8::1')).toEqual({ address: '2001:db8::1', port: 53 })
  expect(() => readServer('dns.test')).toThrow(/resolvers/)
})
