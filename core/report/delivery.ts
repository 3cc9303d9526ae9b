// A bounce or a delay notice: for each recipient what happened, from RFC 3464 fields where there are any, else from the
// words. Of several texts about a recipient the most telling one decides (diagnosis.ts).

import type { RuleSet } from '../bounce/ruleset'
import { SluiceError } from '../errors'
import { addressesIn, addressIn } from './address'
import { diagnose, type Candidate } from './diagnosis'
import { hasStatusFields, readStatusFields, type StatusFields, type StatusGroup } from './dsn'
import { Headers, type Mail } from './mail'
import { originalHeaders, originalOf } from './original'
import { Prose, type Failure } from './prose'
import type { DsnRecipient, DsnReport } from './report'

const maxProse = 16_000
/** More recipients than any mail has; a report that names more is not honest. */
const maxRecipients = 10_000

const noFields: StatusFields = { message: new Headers(), groups: [] }

const statusFieldsOf = (mail: Mail, prose: string): StatusFields => {
  const part = mail.parts.find(
    ({ type, text }) => /^message\/(?:global-)?delivery-status$/.test(type) && text.trim() !== '',
  )
  const fields = part ? readStatusFields(part.text) : noFields
  if (fields.groups.length > 0) return fields
  const other = [
    prose,
    ...mail.parts.filter(({ type }) => /^(?:text|message)\/(?!rfc822$|global$)/.test(type)).map(({ text }) => text),
  ]
  const text = other.find(hasStatusFields)
  return text === undefined ? fields : { message: fields.message, groups: readStatusFields(text).groups }
}

/**
 * @param text the report's first text
 * @param end where the copy of the original begins in it
 * @throws SluiceError SLUICE_REPORT_LIMIT where the report names too many recipients
 */
export const readDelivery = (mail: Mail, text: string, end: number, rules: RuleSet): DsnReport => {
  const fields = statusFieldsOf(mail, text)
  const headers = originalHeaders(mail, text.slice(end))
  const prose = new Prose(text.slice(0, Math.min(end, maxProse)))
  const delayed = isDelay(mail, prose.text)
  const failed = mail.headers.all('x-failed-recipients').flatMap(addressesIn)
  if (fields.groups.length > maxRecipients) {
    throw new SluiceError('SLUICE_REPORT_LIMIT', `a report names more than ${maxRecipients} recipients`)
  }
  const groups = fields.groups
    .map((group) =>
      isMailbox(group.recipient) || failed.length !== 1 ? group : { ...group, recipient: failed[0] ?? '' },
    )
    .filter(({ recipient }) => recipient !== '')
  const recipients =
    groups.length > 0
      ? groups.map((group) => fromFields(group, prose, delayed, rules, groups.length === 1))
      : fromProse(mail, prose, fields, headers, delayed, rules)
  return {
    kind: 'dsn',
    reporting_mta: fields.message.get('reporting-mta').replace(/^\s{0,9}\w{1,20}\s{0,9};\s{0,9}/, ''),
    recipients: mergeRecipients(recipients),
    original: originalOf(headers, fields.message),
  }
}

/** False for the path of a file or a pipe, which Exim reports in place of an address. */
const isMailbox = (recipient: string): boolean => recipient.includes('@') && !/^[/|]/.test(recipient)

const delayWords =
  /(?:has not yet been delivered|delivery attempts will continue|will be retried|will continue to (?:try|attempt)|still (?:trying|being)|delivery (?:to .{0,80} )?has been delayed|this is a warning|you do not need to resend|no action is required on your part|message is delayed|not been delivered (?:after|for|yet))/i

const isDelay = (mail: Mail, prose: string): boolean =>
  (/\bdelay|^warning: (?:could not send|message)/i.test(mail.headers.get('subject')) || delayWords.test(prose)) &&
  !/permanent(?:ly)? (?:fail|fatal|error)|has been removed from the queue|could not be delivered for \d/i.test(
    prose.slice(0, 3000),
  )

const fromFields = (
  group: StatusGroup,
  prose: Prose,
  delayed: boolean,
  rules: RuleSet,
  alone: boolean,
): DsnRecipient => {
  const action = group.action ?? (delayed || group.status.startsWith('4.') ? 'delayed' : 'failed')
  const about = prose.about(group.final || group.recipient) || prose.about(group.recipient)
  const candidates: Candidate[] = [
    ...group.diagnostics.map((text) => ({ text, status: group.status })),
    { text: about, status: group.status },
    ...(alone ? [{ text: prose.text, status: group.status }] : []),
    { text: '', status: group.status },
  ]
  return settle(group.recipient, action, candidates, rules, group)
}

const settle = (
  recipient: string,
  action: DsnRecipient['action'],
  candidates: readonly Candidate[],
  rules: RuleSet,
  group?: StatusGroup,
): DsnRecipient => {
  const found = diagnose(rules, candidates, action === 'failed')
  const good = action === 'delivered' || action === 'relayed' || action === 'expanded'
  return {
    recipient,
    ...(group && group.final !== '' && group.final !== recipient ? { final_recipient: group.final } : {}),
    action,
    status: group?.status || found.enhanced,
    code: found.code,
    text: found.text.slice(0, 2000),
    remote_mta: group?.remote_mta ?? '',
    verdict: good
      ? { class: 'delivered', blame: 'none', hard: false, permanent: false, action: 'none', rule: 'report/delivered' }
      : found.verdict,
  }
}

/** People who are named in a bounce but did not fail: its sender and its addressee. */
const bystanders = (mail: Mail, names: readonly string[]): Set<string> => {
  return new Set(
    names
      .flatMap((name) => mail.headers.all(name))
      .flatMap(addressesIn)
      .map((address) => address.toLowerCase()),
  )
}

const fromProse = (
  mail: Mail,
  prose: Prose,
  fields: StatusFields,
  headers: Headers,
  delayed: boolean,
  rules: RuleSet,
): DsnRecipient[] => {
  const named = mail.headers.all('x-failed-recipients').flatMap(addressesIn)
  const reporter = bystanders(mail, ['from', 'return-path', 'reply-to', 'errors-to'])
  const ignore = new Set([...reporter, ...bystanders(mail, ['to', 'delivered-to'])])
  const apart = prose.failures(ignore)
  const { failures: words, listed } = apart.failures.length > 0 ? apart : prose.failures(reporter)
  const group = fields.groups[0]
  const failures: readonly Failure[] =
    named.length > 0 && (!listed || named.some((address) => prose.text.includes(address)))
      ? named.map((recipient) => ({ recipient, text: prose.about(recipient) }))
      : words.length > 0
        ? words
        : fromCopy(mail, headers, ignore)
  const action = group?.action ?? (delayed ? 'delayed' : 'failed')
  const alone = failures.length === 1
  return failures.map((failure) =>
    settle(
      failure.recipient,
      action,
      [
        { text: failure.text },
        ...(group?.diagnostics ?? []).map((diagnostic) => ({ text: diagnostic })),
        ...(alone || failure.text === '' ? [{ text: prose.text }, { text: mail.headers.get('subject') }] : []),
        ...(group ? [{ text: '', status: group.status }] : []),
      ],
      rules,
    ),
  )
}

/** Where the words name nobody: the only addressee of the original. */
const fromCopy = (mail: Mail, headers: Headers, ignore: ReadonlySet<string>): Failure[] => {
  const subject = addressIn(mail.headers.get('subject'))
  if (subject && !ignore.has(subject.toLowerCase())) return [{ recipient: subject, text: '' }]
  const envelope = headers.all('x-envelope-to').flatMap(addressesIn)
  const to = envelope.length > 0 ? envelope : headers.all('to').flatMap(addressesIn)
  return to.length === 1 && to[0] ? [{ recipient: to[0], text: '' }] : []
}

/** One entry per address: some systems repeat a recipient for every attempt. The most telling verdict stays. */
const mergeRecipients = (recipients: readonly DsnRecipient[]): DsnRecipient[] => {
  const merged = new Map<string, DsnRecipient>()
  for (const one of recipients) {
    const key = one.recipient.toLowerCase()
    const known = merged.get(key)
    if (!known || (known.verdict.class === 'other' && one.verdict.class !== 'other')) merged.set(key, one)
  }
  return [...merged.values()]
}
