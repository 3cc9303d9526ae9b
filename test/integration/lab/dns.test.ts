// The model internet's DNS, asked by Node's resolver (c-ares) over UDP and by hand over TCP.

import { once } from 'node:events'
import { Resolver } from 'node:dns/promises'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'

import { readInternet } from '@sluice/lab/internet/schema'
import { decode, encode, streamDecode, streamEncode, TRUNCATED_RESPONSE, type Packet } from 'dns-packet'
import { expect, test } from 'vitest'

import { labOf } from './small'

const internet = readInternet(
  'dns.yaml',
  `
dns: { ttl_s: 33 }
providers:
  one:
    domains: [one.test]
    mx:
${Array.from({ length: 40 }, (_, i) => `      - { host: mx${i}.a-rather-long-name-to-fill-a-packet.one.test, address: 127.20.102.${i + 1}, down: ${i > 0} }`).join('\n')}
domains:
  hosted.test: { provider: one }
  null.test: { dns: null_mx }
  broken.test: { dns: servfail }
  silent.test: { dns: drop }
`,
)

const question = (name: string, type: 'MX' | 'A'): Packet => ({
  type: 'query',
  id: 4711,
  flags: 1 << 8,
  questions: [{ type, name }],
})

test('a resolver finds MX hosts and addresses with their TTL, and hears why it does not', async () => {
  const lab = await labOf(internet)
  const resolver = new Resolver({ timeout: 200, tries: 1 })
  resolver.setServers([lab.dns])
  await expect(resolver.resolveMx('hosted.test')).resolves.toHaveLength(40)
  await expect(resolver.resolve4('mx3.a-rather-long-name-to-fill-a-packet.one.test', { ttl: true })).resolves.toEqual([
    { address: '127.20.102.4', ttl: 33 },
  ])
  await expect(resolver.resolveMx('null.test')).resolves.toEqual([{ exchange: '', priority: 0 }])
  await expect(resolver.resolveMx('nonsuch.test')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  await expect(resolver.resolve6('one.test')).rejects.toMatchObject({ code: 'ENODATA' })
  await expect(resolver.resolveMx('broken.test')).rejects.toMatchObject({ code: 'ESERVFAIL' })
  await expect(resolver.resolveMx('silent.test')).rejects.toMatchObject({ code: 'ETIMEOUT' })
  expect(lab.dnsServer.counts().by_question).toMatchObject({ 'AAAA one.test': 1, 'MX silent.test': 1 })
})

test('what does not fit a plain UDP packet is marked as cut and whole over TCP, also in pieces', async () => {
  const lab = await labOf(internet)
  const [host = '', port = ''] = lab.dns.split(':')
  const udp = createSocket('udp4')
  udp.send(encode(question('one.test', 'MX')), Number(port), host)
  const [short] = (await once(udp, 'message')) as [Buffer]
  udp.close()
  expect(short.length).toBeLessThanOrEqual(512)
  expect((decode(short).flags ?? 0) & TRUNCATED_RESPONSE).toBeTruthy()

  const tcp = connect(Number(port), host)
  const query = streamEncode(question('one.test', 'MX'))
  tcp.write(query.subarray(0, 5))
  tcp.write(Buffer.concat([query.subarray(5), query]))
  let heard = Buffer.alloc(0)
  for await (const chunk of tcp as AsyncIterable<Buffer>) {
    heard = Buffer.concat([heard, chunk])
    if (heard.length >= 2 * (2 + heard.readUInt16BE(0))) break
  }
  const whole = streamDecode(heard.subarray(0, 2 + heard.readUInt16BE(0)))
  expect(whole.id).toBe(4711)
  expect(whole.answers).toHaveLength(40)
})

test('garbage is dropped and counted, and the server lives', async () => {
  const lab = await labOf(internet)
  const [host = '', port = ''] = lab.dns.split(':')
  const udp = createSocket('udp4')
  for (const junk of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(40, 255), encode({ type: 'response', id: 1 })]) {
    udp.send(junk, Number(port), host)
  }
  udp.send(encode(question('one.test', 'A')), Number(port), host)
  const [answer] = (await once(udp, 'message')) as [Buffer]
  udp.close()
  expect(decode(answer).authorities?.[0]?.type).toBe('SOA')
  expect(lab.dnsServer.counts()).toMatchObject({ queries: 1, unreadable: 4 })
})
