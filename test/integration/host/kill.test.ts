// Haraka killed at random moments: no message that was accepted is lost, and a second copy comes only of a queue file
// that the kill left behind although the receiver had the message: its answer had not arrived, or it had and the
// removal of the file, begun at once, was still under way in the thread pool. SLUICE_KILLS sets the rounds; the figures
// are printed.

import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { FakeReceiver } from '../../harness/fake-receiver'
import { HarakaProcess } from '../../harness/haraka'
import { submit } from '../../harness/submit'

const rounds = Number(process.env['SLUICE_KILLS'] ?? 6)
/** The removal of a file may wait for a busy machine, but not longer; ms between the answer and the kill. */
const removalMs = 250

/** Notes, at once and in the same turn, when an answer has arrived, and how long the removal of the file has taken. */
const witness = `
const fs = require('node:fs')
const { unlink } = fs
const notes = fs.openSync(process.env.HARAKA + '/notes', 'a')
fs.unlink = (file, done) => {
  const begun = Date.now()
  unlink(file, (error) => {
    fs.writeSync(notes, 'removed ' + (Date.now() - begun) + '\\n')
    done(error)
  })
}
exports.hook_delivered = (next, hmail) => {
  fs.writeSync(notes, 'answered ' + hmail.todo.rcpt_to[0].address + ' ' + Date.now() + '\\n')
  next()
}`

interface Kill {
  readonly at: number
  /** Recipients whose queue file was there when the process had gone. */
  readonly left: ReadonlySet<string>
  /** When the answer for a recipient had arrived, for those for whom it had; ms since 1970. */
  readonly answered: ReadonlyMap<string, number>
}

const notesOf = async (folder: string): Promise<{ answered: Map<string, number>; removals: number[] }> => {
  const lines = (await readFile(path.join(folder, 'notes'), 'utf8')).split('\n').map((line) => line.split(' '))
  const answered = new Map<string, number>()
  for (const [what, address = '', at] of lines) {
    // Of the first copy.
    if (what === 'answered' && !answered.has(address)) answered.set(address, Number(at))
  }
  return { answered, removals: lines.flatMap(([what, ms]) => (what === 'removed' ? Number(ms) : [])) }
}

const recipientsIn = async (queue: string): Promise<Set<string>> => {
  const names = (await readdir(queue)).filter((name) => !name.startsWith('__tmp__.'))
  const texts = await Promise.all(names.map((name) => readFile(path.join(queue, name), 'latin1')))
  return new Set(texts.flatMap((text) => /^To: (\S+)/m.exec(text)?.[1] ?? []))
}

test(`${rounds} kills lose nothing`, { timeout: 60_000 + rounds * 5000 }, async () => {
  const receiver = await FakeReceiver.listen({ offers: ['PIPELINING'] })
  const options = {
    plugins: ['sluice-host', 'witness', 'mx'],
    localPlugins: {
      witness,
      mx: `exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${receiver.port} })`,
    },
    logLevel: 'notice',
  } as const
  const promised: string[] = []
  const kills: Kill[] = []
  let haraka = await HarakaProcess.start(options)
  const { folder } = haraka
  try {
    for (let round = 0; round < rounds; round++) {
      let stop = false
      const submitter = async (name: string): Promise<void> => {
        for (let n = 0; !stop; n++) {
          const to = `${name}.${round}.${n}@x.test`
          try {
            await submit(haraka.port, { to })
            promised.push(to)
          } catch {
            // The kill came first: nothing was promised for this one.
            return
          }
        }
      }
      const submitters = ['a', 'b', 'c', 'd'].map(submitter)
      await pause(50 + Math.random() * 700)
      stop = true
      const at = Date.now()
      await haraka.kill()
      const { answered } = await notesOf(folder)
      kills.push({ at, answered, left: await recipientsIn(path.join(folder, 'queue')) })
      await Promise.all(submitters)
      haraka = await HarakaProcess.start({ ...options, folder })
    }
    await expect
      .poll(() => promised.filter((to) => !receiver.acceptedRecipients.includes(to)), { timeout: 30_000 })
      .toEqual([])
    await expect.poll(() => haraka.queue(), { timeout: 10_000 }).toEqual([])

    const copies = new Map<string, number>()
    for (const to of receiver.acceptedRecipients) copies.set(to, (copies.get(to) ?? 0) + 1)
    const { removals } = await notesOf(folder)
    let unanswered = 0
    const removing: number[] = []
    for (const [to, count] of copies) {
      if (count === 1) continue
      const killsBetween = kills.filter(({ left }) => left.has(to))
      // One further copy for each kill that found the file, at most.
      expect(count - 1, to).toBeLessThanOrEqual(killsBetween.length)
      const [kill] = killsBetween
      const answer = kill?.answered.get(to)
      if (!kill || answer === undefined) unanswered++
      else removing.push(Math.max(0, kill.at - answer))
    }
    expect(Math.max(0, ...removing)).toBeLessThanOrEqual(removalMs)
    expect(promised.length).toBeGreaterThan(rounds)
    const sorted = removals.toSorted((a, b) => a - b)
    console.log(
      JSON.stringify({
        kills: rounds,
        promised: promised.length,
        copies_unanswered: unanswered,
        copies_removing: removing,
        removal_ms: {
          median: sorted[sorted.length >> 1],
          p99: sorted[Math.floor(sorted.length * 0.99)],
          most: sorted.at(-1),
        },
      }),
    )
  } finally {
    await haraka.stop()
    await receiver.close()
  }
})
