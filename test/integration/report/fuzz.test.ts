// Anything may arrive: no exception but the coded ones, no super-linear time, no growth. Time-boxed.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { classify } from '@sluice/core/bounce/classify'
import { maxTextLength } from '@sluice/core/bounce/reply'
import { signatureOf } from '@sluice/core/bounce/signature'
import { bounceClasses } from '@sluice/core/bounce/verdict'
import { SluiceError } from '@sluice/core/errors'
import { interpret } from '@sluice/core/report/interpret'
import { readMail } from '@sluice/sidecar/report/mime'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { readMessages, readReplies } from '../../../bench/corpus'
import { shippedRules } from '../../unit/bounce/rules'
import { multipartMail, statusMail, textMail } from '../../unit/report/mails'
import { corpusFolder } from './corpus'

const rules = shippedRules()
/** SLUICE_FUZZ_S=60 looks for longer. */
const boxMs = Number(process.env['SLUICE_FUZZ_S'] ?? 1) * 1000
const boxed = { numRuns: 20_000 * Math.max(1, boxMs / 1000), interruptAfterTimeLimit: boxMs }

const fragments = rules.rules.flatMap(({ rule }) => rule.example.split(' '))
const reply = fc.oneof(
  fc.string({ maxLength: 3000 }),
  fc.string({ unit: 'binary', maxLength: 500 }),
  fc.array(fc.constantFrom(...fragments), { maxLength: 60 }).map((words) => words.join(' ')),
)

const check = (text: string, code: number): void => {
  const verdict = classify(rules, { code, text })
  expect(bounceClasses).toContain(verdict.class)
  if (verdict.hard) expect(verdict.permanent).toBe(true)
  expect(signatureOf({ code, text }).length).toBeLessThanOrEqual(300)
}

describe('replies', () => {
  it('of any kind get a verdict and a signature', () => {
    fc.assert(fc.property(reply, fc.integer({ min: 0, max: 599 }), check), boxed)
  })

  it('get the same verdict in any case and with any spacing', () => {
    fc.assert(
      fc.property(fc.constantFrom(...rules.rules), ({ rule }) => {
        const of = (text: string) => classify(rules, { code: 550, text, provider: rule.given?.provider }).class
        expect(of(rule.example.toUpperCase())).toBe(of(rule.example))
        expect(of(rule.example.replaceAll(' ', '  '))).toBe(of(rule.example))
      }),
      boxed,
    )
  })

  it('cost linear time: a reply made of any fragment, at full length, stays under the millisecond', () => {
    const slow: string[] = []
    for (const fragment of new Set(fragments)) {
      const text = `${fragment} `.repeat(Math.ceil(maxTextLength / (fragment.length + 1)))
      const best = Math.min(...[0, 1, 2].map(() => timed(() => classify(rules, { code: 550, text }))))
      if (best > 20) slow.push(`${fragment}: ${best.toFixed(1)} ms`)
    }
    expect(slow).toEqual([])
  })

  it('do not cost more than their length: a hundred times the text, not a thousand times the time', () => {
    const text = (times: number) => 'recipient address user mailbox is not '.repeat(times)
    const short = Math.min(
      ...Array.from({ length: 20 }, () => timed(() => classify(rules, { code: 550, text: text(5) }))),
    )
    const long = Math.min(
      ...Array.from({ length: 5 }, () => timed(() => classify(rules, { code: 550, text: text(500_00) }))),
    )
    expect(long).toBeLessThan(Math.max(short * 1000, 50))
  })
})

const timed = (work: () => unknown): number => {
  const start = performance.now()
  work()
  return performance.now() - start
}

const read = (raw: Uint8Array): void => {
  try {
    interpret(readMail(raw), rules)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
  }
}

/** Cuts, repeats, overwrites or swaps a stretch. */
const mutate = (raw: Buffer, [at, length, kind, filler]: [number, number, number, string]): Buffer => {
  const start = Math.floor(at * raw.length)
  const end = Math.min(raw.length, start + length)
  const [head, middle, tail] = [raw.subarray(0, start), raw.subarray(start, end), raw.subarray(end)]
  switch (kind) {
    case 0:
      return Buffer.concat([head, tail])
    case 1:
      return Buffer.concat([head, middle, middle, middle, tail])
    case 2:
      return Buffer.concat([head, Buffer.from(filler), tail])
    default:
      return Buffer.concat([tail, middle, head])
  }
}

const mutation = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.integer({ min: 0, max: 400 }),
  fc.integer({ min: 0, max: 3 }),
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constantFrom(
      '\n\n',
      '--b0',
      '=?utf-8?B?',
      '<a@b>:\n',
      'Final-Recipient: ',
      '\r',
      ': '.repeat(300),
      ' '.repeat(2000),
      '@'.repeat(500),
    ),
  ),
)

const seeds = [
  statusMail([
    'Final-Recipient: rfc822; bob@example.com\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 User unknown',
  ]),
  textMail(
    { From: 'MAILER-DAEMON@mx.example.net', Subject: 'failure notice' },
    '<bob@example.com>:\n550 User unknown\n\n--- Below this line is a copy of the message.\n\nFrom: a@b.test',
  ),
  multipartMail({ Subject: 'x' }, 'multipart/report; report-type=feedback-report', [
    { type: 'message/feedback-report', body: 'Feedback-Type: abuse\nOriginal-Rcpt-To: bob@example.com' },
    { type: 'message/rfc822', body: 'To: x@y.test\n\nhi' },
  ]),
].map((raw) => Buffer.from(raw))

const fuzzReports = (from: readonly Buffer[], box: { numRuns: number; interruptAfterTimeLimit: number }): void => {
  fc.assert(
    fc.property(fc.constantFrom(...from), fc.array(mutation, { minLength: 1, maxLength: 4 }), (raw, mutations) => {
      const broken = mutations.reduce(mutate, raw)
      const took = timed(() => read(broken))
      // A garbage collection or a busy machine may cost some; a quadratic reader would cost seconds.
      expect(took).toBeLessThan(1500)
    }),
    box,
  )
}

describe('reports', () => {
  it('of random bytes are read or refused', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), read), boxed)
  })

  it('that were mutated are read or refused, in time', () => {
    fuzzReports(seeds, boxed)
  })

  it('of the development set, mutated, are read or refused, in time', (context) => {
    const folder = corpusFolder()
    if (!folder) return context.skip()
    fuzzReports(
      readMessages(folder).map(({ raw }) => Buffer.from(raw)),
      { ...boxed, interruptAfterTimeLimit: 2 * boxMs },
    )
  })

  it.each([
    ['one long line', `From: MAILER-DAEMON@x\nSubject: failure notice\n\n${'a'.repeat(3_000_000)}`],
    [
      'many addresses',
      `From: MAILER-DAEMON@x\nSubject: failure notice\n\nundeliverable\n${'<bob@example.com>:\n550 no\n\n'.repeat(100_000)}`,
    ],
    ['at signs', `From: MAILER-DAEMON@x\nSubject: failure notice\n\nundeliverable ${'@'.repeat(1_000_000)}`],
    ['colons', `From: MAILER-DAEMON@x\nSubject: failure notice\n\nundeliverable\n${'a:'.repeat(500_000)}@b`],
    ['blanks', `From: MAILER-DAEMON@x\nSubject: failure notice\n\nundeliverable${' '.repeat(2_000_000)}x`],
    ['empty lines', `From: MAILER-DAEMON@x\nSubject: failure notice\n\nundeliverable${'\n'.repeat(2_000_000)}x@y.test`],
    ['tags', `From: MAILER-DAEMON@x\nContent-Type: text/html\n\n${'<a <b <c '.repeat(200_000)}`],
    ['boundaries', `Content-Type: multipart/mixed; boundary=b\n\n${'--b'.repeat(500_000)}`],
    ['encoded words', `Subject: ${'=?utf-8?Q?=41?= '.repeat(10_000)}\n\nx`],
    [
      'status fields',
      `From: MAILER-DAEMON@x\nContent-Type: message/delivery-status\n\n${'Final-Recipient: rfc822; a@b.test\nAction: failed\n\n'.repeat(50_000)}`,
    ],
  ])('cost linear time also when made to hurt: %s', (_, text) => {
    const raw = Buffer.from(text)
    expect(timed(() => read(raw))).toBeLessThan(4000)
  })
})

describe('replies of the development set', () => {
  it('get a verdict also when mutated', (context) => {
    const folder = corpusFolder()
    if (!folder) return context.skip()
    const texts = readReplies(folder).map(({ text }) => Buffer.from(text))
    fc.assert(
      fc.property(fc.constantFrom(...texts), mutation, (text, how) => check(mutate(text, how).toString('utf8'), 550)),
      boxed,
    )
  })
})

describe('memory', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heapMb = (): number => {
    collect()
    return process.memoryUsage().heapUsed / 2 ** 20
  }
  /** What a stranger can name: charsets, boundaries, header fields, replies never seen before. */
  const strange = (n: number): void => {
    const name = `x-${n.toString(36)}`
    classify(rules, { code: 550, text: `5.1.1 ${name} <${name}@example.com> is not ${name}`.repeat(20) })
    const head = `Subject: =?${name}?Q?=E4?=\n${name}: ${'x'.repeat(2000)}\n`
    const part = `--${name}\nContent-Type: text/plain; charset=${name}\n\nundeliverable \xe4 <${name}@example.com>: 550 no\n`
    read(
      Buffer.from(`From: MAILER-DAEMON@x\n${head}Content-Type: multipart/mixed; boundary=${name}\n\n${part}`, 'latin1'),
    )
  }

  it('does not grow with what was read', () => {
    for (let n = 0; n < 1000; n++) strange(n)
    const before = heapMb()
    for (let n = 1000; n < 7000; n++) strange(n)
    // Six thousand mails of 2 KB: kept, they would be 12 MB and more.
    expect(heapMb() - before).toBeLessThan(5)
  })
})
