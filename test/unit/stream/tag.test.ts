// Tagging a transaction: which stream, whose mail, and what is stripped.

import { readEgress } from '@sluice/core/config/egress'
import { tagOf } from '@sluice/core/stream/tag'
import { expect, test } from 'vitest'

import { tagMessage, type Transaction } from '../../../plugins/stream/tag-message'

const config = readEgress(
  'egress.yaml',
  `
sources: { a: { ip: 127.0.0.1, ehlo: a.test } }
pools: { main: { a: 1 } }
streams:
  receipts: { match: { user: shop }, pool: main }
  news: { match: { sender_domain: .news.test }, pool: main }
  vip: { match: { header: { X-Kind: vip } }, pool: main }
  named: { pool: main }
  rest: { pool: main }
default_stream: rest
`,
)

const transaction = (headers: Record<string, string[]> = {}, sender = 'x.test') => {
  const fields = new Map(Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values]))
  const made = {
    uuid: 'u',
    notes: {} as Record<string, unknown>,
    mail_from: { host: sender },
    data_bytes: 321,
    header: { get_all: (name: string) => fields.get(name.toLowerCase()) ?? [] },
    remove_header: (name: string) => void fields.delete(name.toLowerCase()),
  } satisfies Transaction
  return { transaction: made, fields }
}

const tagged = (headers?: Record<string, string[]>, sender?: string, user?: string) => {
  const { transaction: made, fields } = transaction(headers, sender)
  tagMessage(config, { transaction: made, user, messageId: 'id1' })
  return { tag: tagOf(made.notes), fields, made }
}

test.each([
  ['by user', {}, 'x.test', 'shop', 'receipts'],
  ['by sender domain', {}, 'a.news.test', undefined, 'news'],
  ['by any header', { 'x-kind': ['VIP\n'] }, 'x.test', undefined, 'vip'],
  ['by name', { 'x-sluice-stream': [' named\r\n'] }, 'a.news.test', 'shop', 'named'],
  ['by default', { 'x-sluice-stream': ['nonsense'] }, 'x.test', undefined, 'rest'],
  ['by default where there is no sender', {}, '', undefined, 'rest'],
] as const)('the stream is found %s', (_how, headers, sender, user, stream) => {
  expect(tagged(headers as unknown as Record<string, string[]>, sender, user).tag?.stream).toBe(stream)
})

test('tenant, campaign and ids are kept, internal headers are gone, others stay', () => {
  const { tag, fields } = tagged({
    'X-Sluice-Stream': ['named'],
    'X-Sluice-Tenant': ['acme\n', 'other\n'],
    'X-Sluice-Campaign': ['spring\r\n sale\n'],
    'Message-ID': ['<m1@x.test>\n'],
    Subject: ['hello\n'],
  })
  expect(tag).toEqual({
    message_id: 'id1',
    stream: 'named',
    tenant: 'acme',
    campaign: 'spring sale',
    header_message_id: 'm1@x.test',
    size: 321,
  })
  expect([...fields.keys()].toSorted()).toEqual(['message-id', 'subject'])
})

test('a transaction seen twice keeps its first tag', () => {
  const { made } = tagged()
  tagMessage(config, { transaction: made, user: 'shop', messageId: 'id2' })
  expect(tagOf(made.notes)).toMatchObject({ message_id: 'id1', stream: 'rest' })
})

test.each([undefined, null, 7, {}, { message_id: 1, stream: 'x' }])('notes with %j as tag have none', (value) => {
  expect(tagOf({ sluice: value })).toBeUndefined()
})

test('a tag read back from the queue file is checked', () => {
  const read = tagOf({ sluice: { message_id: 'm', stream: 's', tenant: 5, size: -1, evil: 'x' } })
  expect(read).toEqual({ message_id: 'm', stream: 's', tenant: '', campaign: '', header_message_id: '', size: 0 })
})
