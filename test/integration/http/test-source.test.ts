// `sluice test-source` against the lab and a relay: what it says step by step, and that it sends no mail.

import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { readInternet } from '@sluice/lab/internet/schema'
import { startLab, type Lab } from '@sluice/lab/lab'
import { planFor } from '@sluice/sidecar/cli/test-source'
import { probe, type Step } from '@sluice/sidecar/probe/probe'
import { freePort } from '@sluice/run/port'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { FakeReceiver, type Script } from '../../harness/fake-receiver'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.40.1.1 }]
  two:
    domains: [two.test]
    mx: [{ host: mx.two.test, address: 127.40.2.1 }]
    service: { starttls: false }
`
let lab: Lab
beforeAll(async () => {
  lab = await startLab({ internet: readInternet('test.yaml', internet) })
})
afterAll(() => lab.stop())

const folderWith = async (relayPort = 1): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-probe-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(path.join(folder, 'config'))
  const files = {
    'sluice.yaml': `resolvers: ['${lab.dns}']\n`,
    'shaping.yaml': `defaults: { port: ${lab.port}, tls: opportunistic }\nsites: { two.test: { tls: required } }\n`,
    'egress.yaml': `sources:
  a: { ip: 127.40.9.1, ehlo: a.sender.test }
  away: { ip: 203.0.113.7, ehlo: away.sender.test }
  r: { relay: { host: 127.40.5.1, port: ${relayPort}, username: me, password: { file: secret } } }
pools: { main: { a: 1, away: 1, r: 1 } }
streams: { bulk: { pool: main } }
default_stream: bulk
`,
    secret: 'open sesame\n',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, 'config', name), text)
  await writeFile(path.join(folder, 'secret'), files.secret)
  return folder
}

const ask = async (folder: string, source: string, to?: string) => {
  const steps: Step[] = []
  const plan = await planFor(folder, source, { ...(to !== undefined && { to }), timeout: 5 }, (step) =>
    steps.push(step),
  )
  const good = await probe(plan)
  return { good, steps, said: steps.map(({ name, result }) => `${name} ${result}`) }
}
const saysOf = (steps: readonly Step[], name: string): string =>
  steps.filter((one) => one.name === name).at(-1)?.says ?? ''

test('a source of this machine gets as far as EHLO over TLS, and leaves before any mail', async () => {
  const { good, steps, said } = await ask(await folderWith(), 'a', 'one.test')
  expect(good).toBe(true)
  expect(said.filter((one) => !one.startsWith('names '))).toEqual([
    'address ok',
    'route ok',
    'connect ok',
    'banner ok',
    'EHLO ok',
    'TLS ok',
    'TLS note',
    'EHLO ok',
  ])
  expect(saysOf(steps, 'route')).toContain(`mx.one.test [127.40.1.1]:${lab.port}`)
  expect(saysOf(steps, 'connect')).toContain('127.40.9.1')
  expect(steps.find((one) => one.name === 'TLS')?.says).toMatch(/^TLSv1\.[23] /)
  expect(lab.truth.recipients()).toEqual([])
})

test('what would keep mail is said where it happens', async () => {
  const folder = await folderWith(await freePort('127.40.5.1'))
  const away = await ask(folder, 'away', 'one.test')
  expect([away.good, away.said]).toEqual([false, ['address failed']])
  const plain = await ask(folder, 'a', 'two.test')
  expect([plain.good, saysOf(plain.steps, 'TLS')]).toEqual([false, 'required, but STARTTLS is not offered'])
  const nowhere = await ask(folder, 'a', 'nowhere.test')
  expect([nowhere.good, saysOf(nowhere.steps, 'route')]).toEqual([false, 'nowhere.test has no host that takes mail'])
  const refused = await ask(folder, 'r')
  expect([refused.good, saysOf(refused.steps, 'connect')]).toEqual([false, expect.stringContaining('ECONNREFUSED')])
  await expect(ask(folder, 'a')).rejects.toThrow('--to DOMAIN')
  await expect(ask(folder, 'nobody')).rejects.toThrow('no source is named nobody')
})

const relayAt = async (script: Script): Promise<FakeReceiver> => {
  const receiver = await FakeReceiver.listen(script, '127.40.5.1')
  onTestFinished(() => receiver.close())
  return receiver
}

test('a relay is asked whether it takes the credentials', async () => {
  const relay = await relayAt({ tls: true, offers: ['AUTH PLAIN LOGIN'] })
  const { good, steps } = await ask(await folderWith(relay.port), 'r')
  expect([good, saysOf(steps, 'AUTH')]).toEqual([true, expect.stringMatching(/^PLAIN as me: 235 /)])
  expect(JSON.stringify(steps)).not.toContain('sesame')

  const strict = await relayAt({ tls: true, offers: ['AUTH LOGIN'], at: { auth: '535 5.7.8 no' } })
  const denied = await ask(await folderWith(strict.port), 'r')
  expect([denied.good, saysOf(denied.steps, 'AUTH')]).toEqual([false, '535 5.7.8 no'])
  expect([relay.accepted, strict.accepted]).toEqual([[], []])
})
