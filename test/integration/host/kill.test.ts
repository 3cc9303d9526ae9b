// Haraka killed at random moments: no message that was accepted is lost, and a second copy only comes where the kill
// fell between the receiver's acceptance and the removal of the queue file.

import { setTimeout as pause } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { FakeReceiver } from '../../harness/fake-receiver'
import { HarakaProcess } from '../../harness/haraka'
import { submit } from '../../harness/submit'

const rounds = Number(process.env['SLUICE_KILLS'] ?? 6)
/** A mail accepted by the receiver so long before the kill has left the queue. */
const settledMs = 400

const idOf = (content: string): string => /^X-Id: (\S+)/m.exec(content)?.[1] ?? ''

test(`${rounds} kills lose nothing`, { timeout: 60_000 + rounds * 5000 }, async () => {
  const receiver = await FakeReceiver.listen({ offers: ['PIPELINING'] })
  const acceptedAt: { id: string; at: number }[] = []
  const push = receiver.accepted.push.bind(receiver.accepted)
  receiver.accepted.push = (...messages) => {
    for (const { content } of messages) acceptedAt.push({ id: idOf(content), at: Date.now() })
    return push(...messages)
  }
  const options = {
    plugins: ['sluice-host', 'mx'],
    localPlugins: { mx: `exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${receiver.port} })` },
    logLevel: 'notice',
  } as const
  const promised: string[] = []
  const kills: number[] = []
  let haraka = await HarakaProcess.start(options)
  const { folder } = haraka
  try {
    for (let round = 0; round < rounds; round++) {
      let stop = false
      const submitter = async (name: string): Promise<void> => {
        for (let n = 0; !stop; n++) {
          const id = `${round}-${name}-${n}`
          try {
            await submit(haraka.port, { to: `${name}@x.test`, headers: { 'X-Id': id } })
            promised.push(id)
          } catch {
            // The kill came first: nothing was promised for this one.
            return
          }
        }
      }
      const submitters = ['a', 'b', 'c', 'd'].map(submitter)
      await pause(50 + Math.random() * 700)
      stop = true
      kills.push(Date.now())
      await haraka.kill()
      await Promise.all(submitters)
      haraka = await HarakaProcess.start({ ...options, folder })
    }
    await expect
      .poll(() => promised.filter((id) => !acceptedAt.some((one) => one.id === id)), { timeout: 30_000 })
      .toEqual([])
    await expect.poll(() => haraka.queue(), { timeout: 10_000 }).toEqual([])

    const first = new Map<string, number>()
    const unexplained = acceptedAt.filter(({ id, at }) => {
      const before = first.get(id)
      if (before === undefined) first.set(id, at)
      return before !== undefined && !kills.some((kill) => kill - before < settledMs && kill - before > -settledMs)
    })
    expect(unexplained).toEqual([])
    expect(promised.length).toBeGreaterThan(rounds)
  } finally {
    await haraka.stop()
    await receiver.close()
  }
})
