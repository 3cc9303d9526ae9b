// What the rules and readers reach on the labelled development set must not sink. The figures that count are measured
// on a set that nobody here has seen (docs/classification.md); these are floors against going backwards.

import { expect, it } from 'vitest'

import { readMessages, readReplies, shippedRules } from '../../../bench/corpus'
import { predictMessage, predictReply } from '../../../bench/predict'
import { messageMeasures, replyMeasures, type Measure } from '../../../bench/score'
import { corpusFolder } from './corpus'

const floors: Readonly<Record<string, number>> = {
  'replies, lenient': 0.98,
  'replies, strict': 0.96,
  'hard or soft': 0.985,
  'hard: precision': 0.98,
  'hard: recall': 0.96,
  'coarse blame': 0.97,
  'kind dsn': 1,
  'kind arf': 1,
  'kind autoreply': 1,
  'kind other': 1,
  'DSN recipients found': 0.99,
  'DSN exact recipient set': 0.99,
  'DSN category, lenient': 0.97,
  'ARF feedback type': 1,
}

it('holds the floors of accuracy on the development set', (context) => {
  const folder = corpusFolder()
  if (!folder) return context.skip()
  const rules = shippedRules()
  const replies = readReplies(folder)
  const messages = readMessages(folder)
  const measures: Measure[] = [
    ...replyMeasures(replies, new Map(replies.map((row) => [row.id, predictReply(rules, row)]))),
    ...messageMeasures(messages, new Map(messages.map((row) => [row.id, predictMessage(rules, row)]))),
  ]
  const below = measures.filter(({ name, right, of }) => right / of < (floors[name] ?? 0))
  expect(below).toEqual([])
})
