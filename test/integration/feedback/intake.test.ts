// A real Haraka takes reports at the configured addresses and at signed return paths, and nothing else.

import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { signReturnPath } from '@sluice/core/identity/return-path'
import type { Keyring } from '@sluice/core/identity/token'
import { parseReportFile, type ReportFile } from '@sluice/core/spool/report-file'
import { uuid7 } from 'haraka-plugin-sluice-host'
import { expect, onTestFinished, test } from 'vitest'

import { HarakaProcess } from '../../harness/haraka'
import { Talk } from '../lab/talk'

const secret = 'a secret of at least sixteen bytes'
const keys: Keyring = [{ id: 1, secret: Buffer.from(secret) }]
const day = 86_400_000

const feedback = `
keys: [{ id: 1, secret: { env: FEEDBACK_KEY } }]
return_path: { domain: bounce.test, max_age_days: 10 }
addresses: { bounce: [bounces@here.test], complaint: [fbl@here.test], report: [dmarc@here.test] }
`

/** Only clients from 127.0.0.2 may relay. */
const relayPlugin = `
exports.hook_connect_init = (next, connection) => { connection.relaying = connection.remote.ip === '127.0.0.2'; next() }
`

const report = 'From: MAILER-DAEMON@away.test\r\nSubject: failed\r\n\r\n.. no such user\r\n'

const start = async (more = '', localPlugins: Record<string, string> = {}) => {
  const haraka = await HarakaProcess.start({
    plugins: [...Object.keys(localPlugins), 'sluice-host', 'sluice-feedback'],
    localPlugins: { 'harness-relay': relayPlugin, ...localPlugins },
    config: { 'feedback.yaml': feedback + more, 'sluice.yaml': 'spool: { min_free_mb: 0 }\n' },
    env: { FEEDBACK_KEY: secret },
  })
  onTestFinished(() => haraka.stop())
  const folder = path.join(haraka.folder, 'reports')
  return {
    haraka,
    folder,
    hello: (localAddress = '127.0.0.1') => Talk.hello('127.0.0.1', haraka.port, localAddress),
    stored: async (): Promise<ReportFile[]> => {
      const names = (await readdir(folder).catch(() => [])).sort()
      expect(names.filter((name) => !name.endsWith('.report'))).toEqual([])
      const files = await Promise.all(
        names.map(async (name) => parseReportFile(await readFile(path.join(folder, name)))),
      )
      return files.map((file) => {
        if (!file) throw new Error('not a report file')
        return file
      })
    },
  }
}

const returnPath = (age = 0, signers = keys): string =>
  signReturnPath(signers, 'bounce.test', { message_id: uuid7(Date.now() - age), recipient: 'user@away.test' })

test('a report to a signed return path is stored as received, with its envelope', async () => {
  const { hello, stored } = await start()
  const talk = await hello()
  const to = returnPath()
  expect(await talk.send([to], report, '')).toMatch(/^250/)
  const [file, ...others] = await stored()
  expect(others).toEqual([])
  expect(file?.envelope).toMatchObject({ v: 1, client_ip: '127.0.0.1', mail_from: '', rcpt_to: [to] })
  // The dots of SMTP are gone; Haraka's own trace is in front.
  expect(file?.message.toString()).toMatch(
    /^Received: [^]*From: MAILER-DAEMON@away.test\r\n[^]*\r\n\r\n\. no such user\r\n$/,
  )
})

test('only configured addresses and return paths whose signature holds are taken', async () => {
  const { hello, stored } = await start()
  const talk = await hello()
  await talk.say('MAIL FROM:<>')
  const rcpt = (address: string) => talk.say(`RCPT TO:<${address}>`)
  const forged = returnPath(0, [{ id: 1, secret: Buffer.from('another secret of sixteen bytes') }])
  const otherKey = returnPath(0, [{ id: 2, secret: Buffer.from(secret) }])
  expect(await rcpt(forged)).toMatch(/^550 5\.1\.1 .*not issued here/)
  expect(await rcpt(otherKey)).toMatch(/^550 5\.1\.1 .*not issued here/)
  expect(await rcpt(returnPath(11 * day))).toMatch(/^550 5\.1\.1 .*expired/)
  expect(await rcpt('b-nonsense@bounce.test')).toMatch(/^550 5\.1\.1 .*no such/)
  expect(await rcpt('postmaster@bounce.test')).toMatch(/^550/)
  expect(await rcpt('somebody@here.test')).toMatch(/^550/)
  expect(await rcpt(returnPath(9 * day))).toMatch(/^250/)
  expect(await rcpt(returnPath().toUpperCase())).toMatch(/^250/)
  expect(await rcpt('Bounces@Here.test')).toMatch(/^250/)
  expect(await talk.say('DATA')).toMatch(/^354/)
  expect(await talk.say(`${report}.`)).toMatch(/^250/)
  expect((await stored()).map((file) => file.envelope.rcpt_to.length)).toEqual([3])
})

test('a client that may relay delivers reports here too; other mail of it goes its way', async () => {
  const { haraka, hello, stored } = await start()
  const talk = await hello('127.0.0.2')
  expect(await talk.send(['fbl@here.test'], report)).toMatch(/^250/)
  expect(await stored()).toHaveLength(1)
  expect(await haraka.queue()).toEqual([])
  expect(await talk.send(['somebody@away.test'], report)).toMatch(/^250/)
  expect(await stored()).toHaveLength(1)
  expect(await talk.send([returnPath(11 * day)], report)).toMatch(/^550/)
})

test('a report shares its transaction with no other mail', async () => {
  const { hello, stored } = await start()
  const talk = await hello('127.0.0.2')
  await talk.say('MAIL FROM:<a@b.test>')
  expect(await talk.say('RCPT TO:<fbl@here.test>')).toMatch(/^250/)
  expect(await talk.say('RCPT TO:<somebody@away.test>')).toMatch(/^450 4\.5\.3/)
  expect(await talk.say('RCPT TO:<dmarc@here.test>')).toMatch(/^250/)
  await talk.say('RSET')
  await talk.say('MAIL FROM:<a@b.test>')
  expect(await talk.say('RCPT TO:<somebody@away.test>')).toMatch(/^250/)
  expect(await talk.say('RCPT TO:<fbl@here.test>')).toMatch(/^450 4\.5\.3/)
  expect(await stored()).toEqual([])
})

test('size and rate are limited, for each client and over all', async () => {
  const { hello, stored } = await start('intake: { max_size_mb: 0.01, per_minute_per_client: 2, per_minute: 3 }\n')
  const talk = await hello()
  expect(await talk.send(['fbl@here.test'], report + 'x\r\n'.repeat(5000))).toMatch(/^550 5\.3\.4/)
  expect(await talk.send(['fbl@here.test'], report)).toMatch(/^250/)
  expect(await talk.send(['fbl@here.test'], report)).toMatch(/^250/)
  expect(await talk.send(['fbl@here.test'], report)).toMatch(/^450 4\.4\.5/)
  const another = await hello('127.0.0.3')
  expect(await another.send(['fbl@here.test'], report)).toMatch(/^250/)
  expect(await another.send(['fbl@here.test'], report)).toMatch(/^450 4\.4\.5/)
  expect(await stored()).toHaveLength(3)
})

test('250 is said when file and folder are on disk', async () => {
  const spy = `
    const { appendFileSync } = require('fs')
    const { open } = require('fs/promises')
    const path = require('path')
    exports.register = function () {
      open(__filename).then(async (handle) => {
        const methods = Object.getPrototypeOf(handle)
        await handle.close()
        const { sync } = methods
        methods.sync = async function () {
          await sync.call(this)
          appendFileSync(path.join(process.env.HARAKA, 'synced'), '.')
        }
      })
    }
  `
  const { haraka, hello, stored } = await start('', { spy })
  const talk = await hello()
  expect(await talk.send(['fbl@here.test'], report)).toMatch(/^250/)
  expect(await readFile(path.join(haraka.folder, 'synced'), 'utf8')).toBe('..')
  expect(await stored()).toHaveLength(1)
})

test('a report that cannot be stored is refused for now, and taken once it can be', async () => {
  const { folder, hello, stored } = await start()
  await writeFile(folder, 'a file where the folder should be')
  const talk = await hello()
  expect(await talk.send(['fbl@here.test'], report)).toMatch(/^450 4\.3\.1/)
  await rm(folder)
  expect(await talk.send(['fbl@here.test'], report)).toMatch(/^250/)
  expect(await stored()).toHaveLength(1)
})
