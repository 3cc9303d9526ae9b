// Delivery status fields (RFC 3464, RFC 6533): one group per recipient. Tolerant of what senders really write: missing
// empty lines, empty lines inside a group, fields repeated in plain text, several recipients in one group.

import { recipientOf } from './address'
import { Headers } from './mail'
import type { DsnRecipient } from './report'

export interface StatusGroup {
  readonly recipient: string
  readonly final: string
  readonly action: DsnRecipient['action'] | undefined
  readonly status: string
  readonly diagnostics: readonly string[]
  readonly remote_mta: string
}

export interface StatusFields {
  readonly message: Headers
  readonly groups: readonly StatusGroup[]
}

const field = /^([a-z][a-z0-9-]{1,60})[ \t]{0,8}:[ \t]{0,8}(.*)$/i
const startsGroup = new Set([
  'final-recipient',
  'original-recipient',
  'action',
  'x-actual-recipient',
  'x-original-recipient',
])
const ofGroup = new Set([
  ...startsGroup,
  'status',
  'diagnostic-code',
  'remote-mta',
  'last-attempt-date',
  'will-retry-until',
])
const status = /\b([245]\.\d{1,3}\.\d{1,3})\b/
const actions = new Set<string>(['failed', 'delayed', 'delivered', 'relayed', 'expanded'])

type Field = readonly [name: string, value: string]

/** Fields in order, unfolded; a blank line is kept as a field without a name. */
const unfold = (text: string): Field[] => {
  const fields: [string, string][] = []
  for (const line of text.split('\n')) {
    const plain = line.trimEnd()
    const last = fields.at(-1)
    if (plain === '') fields.push(['', ''])
    else if (/^[ \t]/.test(plain) && last?.[0]) last[1] += ` ${plain.trim()}`
    else {
      const found = field.exec(plain)
      if (found?.[1]) fields.push([found[1].toLowerCase(), found[2] ?? ''])
      else if (last?.[0] === 'diagnostic-code') last[1] += ` ${plain.trim()}`
    }
  }
  return fields
}

/** Cuts the fields into groups: a repeated field, or a starting field after an empty line, opens the next. */
const groupsOf = (fields: readonly Field[]): Field[][] => {
  const groups: Field[][] = []
  let current: Field[] = []
  let seen = new Set<string>()
  let blank = false
  for (const [name, value] of fields) {
    if (name === '') {
      blank = true
      continue
    }
    const opens =
      startsGroup.has(name) && (seen.has(name) || (blank && seen.has('final-recipient') && seen.has('action')))
    const first = groups.length === 0 && ofGroup.has(name)
    if (opens || first) {
      current = []
      groups.push(current)
      seen = new Set()
    }
    blank = false
    seen.add(name)
    current.push([name, value])
  }
  return groups
}

const groupOf = (fields: readonly Field[]): StatusGroup => {
  const all = (name: string): string[] => fields.filter(([key]) => key === name).map(([, value]) => value)
  const first = (name: string): string => all(name)[0] ?? ''
  const final = recipientOf(first('final-recipient'))
  const original = recipientOf(first('original-recipient'))
  const actual = recipientOf(first('x-actual-recipient'))
  const action =
    first('action')
      .toLowerCase()
      .split(/[\s(;]/)[0] ?? ''
  return {
    recipient: (original.includes('@') ? original : final) || original || actual,
    final: final || actual,
    action: actions.has(action)
      ? (action as DsnRecipient['action'])
      : /^(fail|bounce|expire)/.test(action)
        ? 'failed'
        : undefined,
    status: status.exec(first('status'))?.[1] ?? '',
    diagnostics: [...all('diagnostic-code'), ...all('x-smtp-diagnostic'), ...all('x-supplementary-info')].filter(
      Boolean,
    ),
    remote_mta: first('remote-mta').replace(/^\s{0,9}\w{1,20}\s{0,9};\s{0,9}/, ''),
  }
}

/** @param text of a message/delivery-status part, or any text that contains such fields */
export const readStatusFields = (text: string): StatusFields => {
  const fields = unfold(text)
  const firstOfGroup = fields.findIndex(([name]) => ofGroup.has(name))
  const head = firstOfGroup < 0 ? fields : fields.slice(0, firstOfGroup)
  const message = new Headers(head.filter(([name]) => name !== ''))
  const groups = firstOfGroup < 0 ? [] : groupsOf(fields.slice(firstOfGroup)).map(groupOf)
  return { message, groups: groups.filter((group) => group.recipient !== '' || group.diagnostics.length > 0) }
}

/** Whether the text holds status fields although its part does not say so. */
export const hasStatusFields = (text: string): boolean =>
  /^[ \t]{0,8}(?:final|original)-recipient[ \t]{0,4}:/im.test(text) &&
  /^[ \t]{0,8}(?:action|status|diagnostic-code)[ \t]{0,4}:/im.test(text)
