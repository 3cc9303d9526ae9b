// Replies as data: multi-line form, placeholders, and what is refused as not being a reply.

import { compileReply, refusalText, replyText } from '@sluice/lab/behaviour/reply'
import { expect, test } from 'vitest'

import { situation } from './situation'

test('a line break makes a multi-line reply with code and enhanced code on each line', () => {
  const reply = compileReply('550 5.1.1 The account\ndoes not exist')(situation())
  expect(reply).toEqual({
    code: 550,
    enhanced: '5.1.1',
    text: '550-5.1.1 The account\n550 5.1.1 does not exist',
    wire: '550-5.1.1 The account\r\n550 5.1.1 does not exist\r\n',
  })
})

test('placeholders are filled in, and what is filled in cannot break the line', () => {
  const template = compileReply('421 4.7.0 {host} too many from {ip} in {netblock}, {recipient}')
  expect(template(situation({ recipient: 'x\r\n250 ok@one.test' })).wire).toBe(
    '421 4.7.0 mx.one.test too many from 127.0.0.5 in 127.0.0.0/24, x  250 ok@one.test\r\n',
  )
})

test('every template of many is filled in', () => {
  const texts = ['450 {ip} a', '450 {ip} b', '450 plain', '450 {ip} c', '450 {ip} d']
  expect(texts.map((text) => compileReply(text)(situation()).text)).toEqual(
    texts.map((text) => text.replace('{ip}', '127.0.0.5')),
  )
})

test('a reply without enhanced code or text is a reply', () => {
  expect(compileReply('451 try later')(situation())).toMatchObject({ code: 451, enhanced: '', text: '451 try later' })
  expect(compileReply('250')(situation()).wire).toBe('250\r\n')
})

test.each([
  ['no code', 'not a reply'],
  ['99 text', 'not a reply'],
  ['550 4.1.1 text', 'does not agree'],
  ['550 5.1.1 {who}', 'unknown placeholder {who}'],
])('%s is refused: %s', (text, complaint) => {
  const checked = replyText.safeParse(text)
  expect(checked.success).toBe(false)
  expect(checked.error?.issues[0]?.message).toContain(complaint)
})

test('a refusal must refuse', () => {
  expect(refusalText.safeParse('250 fine').success).toBe(false)
  expect(refusalText.safeParse('421 4.7.0 no').success).toBe(true)
})
