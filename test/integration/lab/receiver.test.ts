// Receivers on real sockets: what clients are told is what the truth says, to the recipient.

import { createTransport } from 'nodemailer'
import { expect, test } from 'vitest'

import { first, labOf, oneProvider, second } from './small'
import { Talk } from './talk'

test('nodemailer delivers over TLS; a refused recipient and two accepted ones are three facts', async () => {
  const lab = await labOf(oneProvider('behaviour: { unknown_users: { pattern: "^nobody" } }'))
  const transport = createTransport({ host: first, port: lab.port, tls: { rejectUnauthorized: false } })
  const sent = await transport.sendMail({
    from: 'a@sender.example',
    to: ['x@one.test', 'nobody@one.test', 'y@one.test'],
    subject: 'hello',
    text: '.one dot\n..two dots\n.\n',
    messageId: '<m1@sender.example>',
  })
  expect([sent.accepted, sent.rejected]).toEqual([['x@one.test', 'y@one.test'], ['nobody@one.test']])
  const facts = lab.truth.recipients()
  expect(facts.map(({ rcpt, stage, verdict, by }) => [rcpt, stage, verdict, by])).toEqual([
    ['nobody@one.test', 'rcpt', 'bounced', 'unknown_users'],
    ['x@one.test', 'dot', 'delivered', ''],
    ['y@one.test', 'dot', 'delivered', ''],
  ])
  expect(facts[1]).toMatchObject({ message_id: 'm1@sender.example', mail_from: 'a@sender.example', nth: 1, code: 250 })
  expect(facts[1]?.tls).toMatch(/^TLSv1\.3 TLS_/)
})

test('a pipelined burst is answered in order, also where DATA has no valid recipient', async () => {
  const lab = await labOf(oneProvider('behaviour: { unknown_users: { pattern: "^no" } }'))
  const talk = await Talk.hello(first, lab.port)
  const codes = (replies: readonly string[]) => replies.map((reply) => reply.slice(0, 3))
  expect(codes(await talk.burst('MAIL FROM:<a@s>', 'RCPT TO:<no1@one.test>', 'DATA', 'RSET'))).toEqual([
    '250',
    '550',
    '554',
    '250',
  ])
  expect(codes(await talk.burst('MAIL FROM:<a@s>', 'RCPT TO:<yes@one.test>', 'RCPT TO:<no@one.test>', 'DATA'))).toEqual(
    ['250', '250', '550', '354'],
  )
  talk.write('Subject: x\r\n\r\n.\r\nMAIL FROM:<b@s>\r\nRCPT TO:<z@one.test>\r\nQUIT\r\n')
  expect(
    [await talk.reply(), await talk.reply(), await talk.reply(), await talk.reply()].map((r) => r.slice(0, 3)),
  ).toEqual(['250', '250', '250', '221'])
  await expect(talk.ended).resolves.toBe('end')
  const facts = lab.truth.recipients()
  // what was accepted is recorded once the 250 has been written, at the end of the burst
  expect(facts.map(({ rcpt, verdict, nth }) => [rcpt, verdict, nth])).toEqual([
    ['no1@one.test', 'bounced', 1],
    ['no@one.test', 'bounced', 2],
    ['z@one.test', 'unanswered', 3],
    ['yes@one.test', 'delivered', 2],
  ])
})

test('a refusal at DATA or after the dot counts for every accepted recipient', async () => {
  const lab = await labOf(oneProvider('behaviour: { failures: [{ at: data, share: 1, reply: "450 4.3.1 disk" }] }'))
  const talk = await Talk.hello(first, lab.port)
  await expect(talk.send(['a@one.test', 'b@one.test'])).resolves.toBe('450 4.3.1 disk')
  lab.change('one', { behaviour: { failures: null, content: { markers: [{ contains: 'GTUBE' }] } } })
  await expect(talk.send(['a@one.test', 'b@one.test'], 'Subject: GTUBE\r\n\r\n')).resolves.toMatch(/^550 5\.7\.1/)
  expect(lab.truth.tally.list().map(({ stage, verdict, count }) => [stage, verdict, count])).toEqual([
    ['dot', 'bounced', 2],
    ['data', 'deferred', 2],
  ])
  await talk.quit()
})

test('a refusal at MAIL is one fact about the message, and 503 answers what was pipelined after it', async () => {
  const lab = await labOf(oneProvider('behaviour: { message_rate: { windows: [{ max: 1, per_s: 3600 }] } }'))
  const talk = await Talk.hello(first, lab.port)
  await talk.send(['a@one.test'])
  const replies = await talk.burst('MAIL FROM:<a@s>', 'RCPT TO:<b@one.test>', 'DATA')
  expect(replies.map((reply) => reply.slice(0, 3))).toEqual(['450', '503', '503'])
  expect(lab.truth.tally.count()).toBe(1)
  expect(lab.truth.tally.count({ unit: 'message', stage: 'mail', verdict: 'deferred' })).toBe(1)
  await talk.quit()
})

test('the message after the last allowed one is told 421 and the connection ends', async () => {
  const lab = await labOf(oneProvider('behaviour: { messages_per_connection: { max: 2 } }'))
  const talk = await Talk.hello(first, lab.port)
  await talk.send(['a@one.test'])
  await talk.send(['a@one.test'])
  await expect(talk.say('MAIL FROM:<a@s>')).resolves.toMatch(/^421 4\.7\.0 mx1\.one\.test/)
  await expect(talk.ended).resolves.toBe('end')
  expect(lab.truth.recipients().map(({ nth }) => nth)).toEqual([1, 2])
})

test('a 421 at RCPT also ends the recipients accepted before it', async () => {
  const lab = await labOf(
    oneProvider(
      'behaviour: { message_rate: { at: rcpt, windows: [{ max: 2, per_s: 3600 }], reply: "421 4.7.0 slow" } }',
    ),
  )
  const talk = await Talk.hello(first, lab.port)
  await talk.burst('MAIL FROM:<a@s>', 'RCPT TO:<a@one.test>', 'RCPT TO:<b@one.test>', 'RCPT TO:<c@one.test>')
  await talk.ended
  expect(lab.truth.recipients().map(({ rcpt, code }) => [rcpt, code])).toEqual([
    ['c@one.test', 421],
    ['a@one.test', 421],
    ['b@one.test', 421],
  ])
})

test('a client that breaks off in the middle of a message leaves its recipients unanswered', async () => {
  const lab = await labOf(oneProvider())
  const talk = await Talk.hello(first, lab.port)
  await talk.burst('MAIL FROM:<a@s>', 'RCPT TO:<a@one.test>', 'DATA')
  talk.write('Subject: x\r\n')
  await talk.drop()
  await expect
    .poll(() => lab.truth.recipients().map(({ stage, verdict }) => [stage, verdict]))
    .toEqual([['dot', 'unanswered']])
})

test('TLS can be demanded; what was said in clear text before it is forgotten', async () => {
  const lab = await labOf(oneProvider('behaviour: { require_tls: {} }'))
  const talk = await Talk.hello(first, lab.port)
  await expect(talk.say('MAIL FROM:<a@s>')).resolves.toMatch(/^530 5\.7\.0/)
  await talk.startTls()
  await expect(talk.say('MAIL FROM:<a@s>')).resolves.toMatch(/^503 5\.5\.1 Error: send EHLO/)
  const hello = await talk.say('EHLO again.example')
  expect(hello).not.toContain('STARTTLS')
  await expect(talk.send(['a@one.test'])).resolves.toMatch(/^250/)
  await talk.quit()
  expect(lab.truth.recipients()).toMatchObject([{ ehlo: 'again.example', verdict: 'delivered' }])
})

test('commands injected behind STARTTLS are not carried into the TLS session', async () => {
  const lab = await labOf(oneProvider())
  const talk = await Talk.hello(first, lab.port)
  talk.write('STARTTLS\r\nNOOP\r\nMAIL FROM:<evil@s>\r\n')
  await expect(talk.reply()).resolves.toMatch(/^220/)
  // the injected bytes are no TLS record: nothing was answered, and no message was begun
  await talk.drop()
  expect(lab.truth.attendance.of('one', '127.0.0.1')?.messages).toBe(0)
})

test('a handshake that fails or never comes ends with the connection, and leaves nobody counted as present', async () => {
  const lab = await labOf(oneProvider('service: { idle_s: 1 }'))
  const [garbage, gone, silent] = await Promise.all([1, 2, 3].map(() => Talk.hello(first, lab.port)))
  for (const talk of [garbage, gone, silent]) await talk?.say('STARTTLS')
  garbage?.write('this is no ClientHello\r\n')
  await garbage?.ended
  await gone?.drop()
  await silent?.ended
  await expect.poll(() => lab.truth.attendance.of('one', '127.0.0.1')).toMatchObject({ open: 0, opened: 3 })
  const talk = await Talk.hello(first, lab.port)
  await expect(talk.send(['a@one.test'])).resolves.toMatch(/^250/)
  await talk.quit()
})

test('extensions are offered by choice, and SIZE is kept', async () => {
  const lab = await labOf(
    oneProvider('service: { pipelining: false, eight_bit_mime: false, smtputf8: true, size: 2000, starttls: false }'),
  )
  const talk = Talk.to(second, lab.port)
  await expect(talk.reply()).resolves.toBe('220 mx2.one.test ESMTP')
  await expect(talk.say('EHLO c')).resolves.toBe(
    '250-mx2.one.test\n250-SIZE 2000\n250-ENHANCEDSTATUSCODES\n250 SMTPUTF8',
  )
  await expect(talk.say('STARTTLS')).resolves.toMatch(/^502/)
  await expect(talk.say('MAIL FROM:<a@s> SIZE=2001')).resolves.toMatch(/^552 5\.3\.4/)
  await expect(talk.send(['a@one.test'], `Subject: x\r\n\r\n${'y'.repeat(3000)}\r\n`)).resolves.toMatch(/^552 5\.3\.4/)
  expect(lab.truth.recipients()).toMatchObject([{ by: 'size', verdict: 'bounced', stage: 'dot' }])
  await talk.quit()
})

test('texts are the provider’s own: 251 to RCPT, several lines, placeholders', async () => {
  const lab = await labOf(
    oneProvider(`service:
  greeting: "220 {host} at your service"
  recipient: "251 2.1.5 will forward to <{recipient}>"
  accepted: "250 2.6.0 {id} taken\\nand thank you"`),
  )
  const talk = Talk.to(first, lab.port)
  await expect(talk.reply()).resolves.toBe('220 mx1.one.test at your service')
  await talk.say('HELO c')
  await talk.say('MAIL FROM:<a@s>')
  await expect(talk.say('RCPT TO:<a@one.test>')).resolves.toBe('251 2.1.5 will forward to <a@one.test>')
  await talk.say('DATA')
  await expect(talk.say('.')).resolves.toMatch(/^250-2\.6\.0 [0-9A-F]+ taken\n250 2\.6\.0 and thank you$/)
  expect(lab.truth.recipients()).toMatchObject([{ verdict: 'delivered', size: 0 }])
  await talk.quit()
})

test.each([
  ['close', 'end'],
  ['reset', 'reset'],
] as const)('a connection can end with a %s after the dot, without an answer', async (how, ending) => {
  for (const tls of [false, true]) {
    const lab = await labOf(oneProvider(`behaviour: { disruptions: [{ at: dot, share: 1, how: ${how} }] }`))
    const talk = await Talk.hello(first, lab.port)
    if (tls) {
      await talk.startTls()
      await talk.say('EHLO c')
    }
    await expect(talk.send(['a@one.test'])).resolves.toBe('over')
    if (!tls) await expect(talk.ended).resolves.toBe(ending)
    await expect.poll(() => lab.truth.after(0).at(-1)).toMatchObject({ what: 'closed', reason: how })
    expect(lab.truth.recipients()).toMatchObject([{ verdict: 'unanswered', code: 0, by: 'disruptions' }])
  }
})

test('a silent receiver answers nothing and lets the client leave', async () => {
  const lab = await labOf(oneProvider('behaviour: { disruptions: [{ at: rcpt, share: 1, how: silence }] }'))
  const talk = await Talk.hello(first, lab.port)
  await talk.say('MAIL FROM:<a@s>')
  talk.write('RCPT TO:<a@one.test>\r\nNOOP\r\n')
  const heard = talk.reply()
  await expect.poll(() => lab.truth.recipients().length).toBe(1)
  await talk.drop()
  await expect(heard).resolves.toBe('over')
  await expect.poll(() => lab.truth.attendance.of('one', '127.0.0.1')?.open).toBe(0)
})

test('an idle client is told 421 and sent away', async () => {
  const lab = await labOf(oneProvider('service: { idle_s: 1 }'))
  const talk = await Talk.hello(first, lab.port)
  await expect(talk.reply()).resolves.toMatch(/^421 4\.4\.2/)
  await expect(talk.ended).resolves.toBe('end')
})

test('an answer waits for the latency of its stage; commands sent meanwhile wait their turn', async () => {
  const lab = await labOf(oneProvider('latency: { banner: 60, rcpt: 80 }'))
  const begun = performance.now()
  const talk = await Talk.hello(first, lab.port)
  expect(performance.now() - begun).toBeGreaterThan(55)
  const from = performance.now()
  const replies = await talk.burst('MAIL FROM:<a@s>', 'RCPT TO:<a@one.test>', 'RCPT TO:<b@one.test>', 'RSET')
  expect(performance.now() - from).toBeGreaterThan(150)
  expect(replies.map((reply) => reply.slice(0, 3))).toEqual(['250', '250', '250', '250'])
  await talk.quit()
})

test('garbage, endless lines and commands out of order are answered, not died of', async () => {
  const lab = await labOf(oneProvider())
  const talk = Talk.to(first, lab.port)
  await talk.reply()
  const replies = await talk.burst(
    'RCPT TO:<a@b>',
    'DATA',
    'MAIL FROM:<a@b>',
    '',
    'constructor',
    '__proto__ x',
    'EHLO',
    `NOOP ${'x'.repeat(10_000)}`,
    'EHLO c',
    'MAIL FROM:a@b',
    'RCPT TO:<>',
    'VRFY a',
    'HELP',
  )
  expect(replies.map((reply) => reply.slice(0, 3))).toEqual([
    '503',
    '503',
    '503',
    '500',
    '500',
    '500',
    '501',
    '500',
    '250',
    '501',
    '503',
    '252',
    '500',
  ])
  const errors = await talk.burst(...new Array<string>(60).fill('x'))
  expect(errors.at(-1)).toBe('over')
  expect(errors.filter((reply) => reply.startsWith('421'))).toHaveLength(1)
})
