// Tells Haraka how an attempt ended, in the calls its own client would have made, so that retries, splitting of
// recipients that fared differently, bounce messages and the hooks of other plugins work as before. Recipients who were
// refused for good but may go another way are a part of their own, so that they take nobody with them.

import type { RefusedRecipient } from '../contract'
import type { HarakaItem, HarakaMx, HarakaRecipient } from '../haraka'
import { verdictOf } from '../smtp/fate'
import { textOf } from '../smtp/reply'
import type { Delivered, Ending } from './delivery'

interface Group {
  readonly recipients: HarakaRecipient[]
  readonly endings: Ending[]
}

export const report = (
  hmail: HarakaItem,
  result: Delivered,
  mayMove: (recipient: RefusedRecipient) => boolean,
): void => {
  const groups = { delivered: group(), deferred: group(), bounced: group(), moved: group() }
  hmail.todo.rcpt_to.forEach((recipient, index) => {
    const ending = result.endings[index]
    if (!ending) return
    const verdict = verdictOf(ending.fate)
    const moves = verdict === 'bounced' && mayMove({ address: recipient.address, evidence: ending.evidence })
    const { recipients, endings } = groups[moves ? 'moved' : verdict]
    recipients.push(recipient)
    endings.push(ending)
    if (verdict !== 'delivered') note(recipient, ending, verdict)
  })
  const { delivered, deferred, moved } = groups
  const all = hmail.todo.rcpt_to.length
  const refused = [moved, groups.bounced].filter(({ recipients }) => recipients.length > 0)

  if (deferred.recipients.length === all) {
    hmail.temp_fail(reasonOf(deferred, 'Some recipients temp failed'), detailsOf(deferred, 'fail_recips'))
  } else if (refused[0]?.recipients.length === all) {
    hmail.bounce(reasonOf(refused[0], 'Some recipients failed'), detailsOf(refused[0], 'bounce_recips'))
  } else {
    splitOff(hmail, deferred, 'Some recipients temporarily failed', (item) =>
      item.temp_fail(reasonOf(deferred, 'Some recipients temp failed'), detailsOf(deferred, 'fail_recips')),
    )
    for (const part of refused) {
      splitOff(hmail, part, 'Some recipients rejected', (item) =>
        item.bounce(reasonOf(part, 'Some recipients failed'), detailsOf(part, 'bounce_recips')),
      )
    }
    if (delivered.recipients.length > 0) tellDelivered(hmail, result, groups)
    else hmail.discard()
  }
}

const group = (): Group => ({ recipients: [], endings: [] })

const tellDelivered = (
  hmail: HarakaItem,
  { secured, authenticated }: Delivered,
  groups: { delivered: Group; deferred: Group; moved: Group; bounced: Group },
): void => {
  const [first] = groups.delivered.endings
  const { evidence, fate } = first ?? {}
  const response = fate?.answer.kind === 'reply' ? textOf(fate.answer) : ''
  const accepted = groups.delivered.recipients
  const deferred = [...groups.deferred.recipients, ...groups.moved.recipients]
  const bounced = groups.bounced.recipients
  hmail.delivered(
    evidence?.remote_ip ?? '',
    evidence?.port ?? 0,
    'SMTP',
    evidence?.mx_host ?? '',
    response,
    accepted,
    deferred,
    bounced,
    secured,
    authenticated,
  )
}

/** Moves the recipients to a queue file of their own. The original lives until each of its parts is on disk. */
const splitOff = (hmail: HarakaItem, part: Group, why: string, then: (item: HarakaItem) => void): void => {
  if (part.recipients.length === 0) return
  hmail.refcount++
  hmail.split_to_new_recipients(part.recipients, why, (item) => {
    hmail.discard()
    // Haraka gives the new item no failures and no notes: retries would begin anew, and the bounce would say nothing.
    item.num_failures = hmail.num_failures
    item.todo.rcpt_to.forEach((recipient, index) => {
      const ending = part.endings[index]
      if (ending) note(recipient, ending, verdictOf(ending.fate))
    })
    then(item)
  })
}

/** What Haraka's bounce message says of the recipient (RFC 3464). */
const note = (recipient: HarakaRecipient, { evidence, target }: Ending, verdict: string): void => {
  const [action, cls, code] = verdict === 'bounced' ? (['failed', '5', 550] as const) : (['delayed', '4', 450] as const)
  recipient.dsn_action = action
  recipient.dsn_status = evidence.enhanced
    ? `${cls}${evidence.enhanced.slice(1)}`
    : `${cls}.${defaultDetail(evidence.code)}`
  if (target) recipient.dsn_remote_mta = target.host
  recipient.reason = sayEnding({ evidence })
  if (evidence.code === 0) {
    recipient.dsn_code = code
    recipient.dsn_msg = recipient.reason
    return
  }
  recipient.dsn_smtp_code = String(evidence.code)
  if (evidence.enhanced) recipient.dsn_smtp_extc = evidence.enhanced
  recipient.dsn_smtp_response = textOf({
    kind: 'reply',
    code: evidence.code,
    enhanced: evidence.enhanced,
    lines: evidence.lines,
  })
}

/** RFC 3463: 4.2 bad connection, 0.0 unknown. */
const defaultDetail = (code: number): string => (code === 0 ? '4.2' : '0.0')

const sayEnding = ({ evidence }: Pick<Ending, 'evidence'>): string => {
  if (evidence.code > 0) {
    const { code, enhanced, lines } = evidence
    return [code, enhanced, textOf({ kind: 'reply', code, enhanced, lines })].filter(Boolean).join(' ')
  }
  const where = evidence.mx_host ? `${evidence.mx_host} [${evidence.remote_ip}]:${evidence.port}: ` : ''
  return `${where}${evidence.lines.join(' ')} (${evidence.phase})`
}

/** One reason for all where it is the same, else the names. */
const reasonOf = ({ endings, recipients }: Group, several: string): string => {
  const reasons = new Set(endings.map(sayEnding))
  const [only = ''] = reasons
  return reasons.size === 1 ? only : `${several}: ${recipients.map(({ address }) => address).join(', ')}`
}

const detailsOf = ({ endings, recipients }: Group, key: 'fail_recips' | 'bounce_recips') => {
  const target = endings.find((one) => one.target)?.target
  const mx: HarakaMx | undefined = target && {
    exchange: target.address,
    from_dns: target.host,
    port: target.port,
    bind_helo: target.ehlo,
    ...(target.bind ? { bind: target.bind } : {}),
  }
  return { [key]: recipients, ...(mx ? { mx } : {}) }
}
