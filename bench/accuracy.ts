// npm run accuracy -- FOLDER --out OUT [--misses] [--cross-validate]
// Reads the labelled replies and reports of FOLDER, writes OUT/replies.predictions.jsonl and
// OUT/messages.predictions.jsonl for score.py, prints the table, by which layer the replies were decided, and the speed.
// With --cross-validate it prints instead how well replies are known by rules that have not seen their cluster.

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { classify, type RuleSet } from '@sluice/core/bounce/classify'
import { layers } from '@sluice/core/bounce/rule'

import { leaveClusterOut, type Depth } from './cross-validate'
import { readMessages, readReplies, shippedRules, type Message, type ReplyRow } from './corpus'
import { predictMessage, predictReply, replyOf, speedOf, type PredictedReply } from './predict'
import { clusterMeasure, messageMeasures, replyMeasures, sayMeasure } from './score'

const { values, positionals } = parseArgs({
  options: {
    out: { type: 'string' },
    misses: { type: 'boolean', default: false },
    'cross-validate': { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const [folder] = positionals
if (folder === undefined || (values.out === undefined && !values['cross-validate'])) {
  console.error('usage: npm run accuracy -- FOLDER --out OUT [--misses] | FOLDER --cross-validate [--misses]')
  process.exit(2)
}

const write = (out: string, name: string, rows: readonly object[]): void => {
  mkdirSync(out, { recursive: true })
  writeFileSync(path.join(out, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

const byLayer = (rules: RuleSet, rows: readonly ReplyRow[], predicted: ReadonlyMap<string, PredictedReply>): void => {
  const known = rows.flatMap((row) => {
    const prediction = predicted.get(row.id)
    return row.label && prediction ? [{ row, prediction, layer: rules.layerOf(prediction.verdict.rule) }] : []
  })
  for (const layer of [...layers, 'none'] as const) {
    const decided = known.filter((each) => each.layer === layer)
    const right = decided.filter(({ row, prediction }) => [row.label, ...row.accept].includes(prediction.label)).length
    if (decided.length > 0) console.log(sayMeasure({ name: `  decided by ${layer}`, right, of: decided.length }))
  }
}

const sayMisses = (rows: readonly ReplyRow[], predicted: ReadonlyMap<string, PredictedReply>): void => {
  for (const row of rows) {
    const got = predicted.get(row.id)
    if (!row.label || !got || [row.label, ...row.accept].includes(got.label)) continue
    console.log(`  ${row.label} -> ${got.label} by ${got.verdict.rule}: ${row.text.slice(0, 160)}`)
  }
}

const replies = (rules: RuleSet, rows: readonly ReplyRow[], out: string): void => {
  const predicted = new Map(rows.map((row) => [row.id, predictReply(rules, row)]))
  const lines = [...predicted.values()].map(({ id, label, hard, blame }) => ({ id, label, hard, blame }))
  write(out, 'replies.predictions.jsonl', lines)
  for (const measure of [...replyMeasures(rows, predicted), clusterMeasure(rows, predicted)]) {
    console.log(sayMeasure(measure))
  }
  byLayer(rules, rows, predicted)
  if (values.misses) sayMisses(rows, predicted)
  const inputs = rows.map(replyOf)
  const speed = speedOf(() => {
    for (const reply of inputs) classify(rules, reply)
  }, inputs.length)
  if (inputs.length > 0) console.log(`${Math.round(speed).toLocaleString('en')} replies/s on one core`)
}

const messages = (rules: RuleSet, rows: readonly Message[], out: string): void => {
  const predicted = new Map(rows.map((row) => [row.id, predictMessage(rules, row)]))
  write(out, 'messages.predictions.jsonl', [...predicted.values()])
  for (const measure of messageMeasures(rows, predicted)) console.log(sayMeasure(measure))
  const speed = speedOf(() => {
    for (const row of rows) predictMessage(rules, row)
  }, rows.length)
  if (rows.length > 0) console.log(`${Math.round(speed).toLocaleString('en')} mails/s on one core`)
}

const crossValidate = (rules: RuleSet, rows: readonly ReplyRow[]): void => {
  const says: Record<Depth, string> = {
    rule: 'without the rules that only the held-out cluster speaks for',
    pattern: 'without the rules and patterns that only the held-out cluster speaks for',
  }
  for (const depth of ['rule', 'pattern'] as const) {
    console.log(says[depth])
    const predicted = leaveClusterOut(rules, rows, depth)
    for (const measure of [...replyMeasures(rows, predicted), clusterMeasure(rows, predicted)]) {
      console.log('  ' + sayMeasure(measure))
    }
    if (values.misses) sayMisses(rows, predicted)
  }
}

const rules = shippedRules()
if (values['cross-validate']) crossValidate(rules, readReplies(folder))
if (values.out !== undefined) {
  replies(rules, readReplies(folder), values.out)
  messages(rules, readMessages(folder), values.out)
}
