// A lab starts whole or not at all, beside others, and leaves nothing behind.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { shippedInternet } from '@sluice/lab/internet/shipped'
import { startLab } from '@sluice/lab/lab'
import { expect, onTestFinished, test } from 'vitest'

import { first, labOf, oneProvider, second } from './small'
import { Talk } from './talk'

test('labs start beside each other on the same addresses, each with its own truth', async () => {
  const labs = await Promise.all([1, 2, 3].map(() => labOf(oneProvider())))
  expect(new Set(labs.map(({ port }) => port)).size).toBe(3)
  for (const [i, lab] of labs.entries()) {
    const talk = await Talk.hello(second, lab.port)
    for (let n = 0; n <= i; n++) await talk.send(['a@one.test'])
    await talk.quit()
  }
  expect(labs.map(({ truth }) => truth.tally.count({ verdict: 'delivered' }))).toEqual([1, 2, 3])
})

test('the shipped internet listens on every address but the dead host’s', async () => {
  const lab = await labOf(shippedInternet())
  for (const [id, { mx }] of Object.entries(lab.internet.providers)) {
    for (const { address, down } of mx) {
      const talk = Talk.to(address, lab.port)
      if (down) await expect(talk.ended, `${id} ${address}`).resolves.toBe('reset')
      else {
        await expect(talk.reply(), `${id} ${address}`).resolves.toMatch(/^220/)
        await talk.quit()
      }
    }
  }
})

test('a taken port fails the start and leaves nothing open', async () => {
  const squatter = createServer().listen(0, second)
  await once(squatter, 'listening')
  onTestFinished(() => void squatter.close())
  const { port } = squatter.address() as { port: number }
  await expect(startLab({ internet: oneProvider(), port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await expect(Talk.to(first, port).ended).resolves.toBe('reset')
})

test('stop ends open connections and closes every port; the file then holds the whole truth', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'lab-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const truthFile = path.join(folder, 'truth.ndjson')
  const lab = await startLab({ internet: oneProvider(), truthFile, keepFacts: 10 })
  const talk = await Talk.hello(first, lab.port)
  for (let i = 0; i < 50; i++) await talk.send(['a@one.test', 'b@one.test'])
  await talk.say('MAIL FROM:<a@s>')
  await talk.say('RCPT TO:<last@one.test>')
  await lab.stop()
  await talk.ended
  const facts = (await readFile(truthFile, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { seq: number; verdict?: string; reason?: string })
  expect(facts.map(({ seq }) => seq)).toEqual(Array.from({ length: 103 }, (_, i) => i + 1))
  expect(facts.filter(({ verdict }) => verdict === 'delivered')).toHaveLength(100)
  expect(facts.slice(-2)).toMatchObject([{ verdict: 'unanswered', rcpt: 'last@one.test' }, { reason: 'stopped' }])
  await expect(Talk.to(first, lab.port).ended).resolves.toBe('reset')
  await expect(fetch(`${lab.control}/health`)).rejects.toThrow()
})

test('a truth file that cannot be written is said, by health and at the end', async () => {
  const lab = await startLab({ internet: oneProvider(), truthFile: '/nonexistent/truth.ndjson' })
  await expect.poll(async () => (await fetch(`${lab.control}/health`)).status).toBe(500)
  await expect(lab.stop()).rejects.toThrow('truth file /nonexistent/truth.ndjson')
})

test('block, unblock and change name an unknown provider', async () => {
  const lab = await labOf(oneProvider())
  expect(() => lab.block('two', '127.0.0.1')).toThrow('there is no provider two')
  expect(() => lab.block('one', 'nonsense')).toThrow(RangeError)
  lab.block('one', '127.0.0.1', 10)
  expect([lab.unblock('one', '127.0.0.1'), lab.unblock('one', '127.0.0.1')]).toEqual([true, false])
})
