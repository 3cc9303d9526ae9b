// From the words of a report to a verdict: takes off what the reporting system wrapped around the remote reply, finds
// the codes in it, and of several texts lets the most telling one decide.

import { classify, type Reply } from '../bounce/classify'
import type { RuleSet } from '../bounce/ruleset'
import type { Verdict } from '../bounce/verdict'

export interface Diagnosis {
  readonly verdict: Verdict
  readonly code: number
  readonly enhanced: string
  readonly text: string
}

const maxText = 4000
const maxSegments = 40
/** Everything up to one of these is the reporter's own words. */
const said =
  /(?:the error that the other server returned was:|the response from the remote server was:|the response was:|remote (?:host|server|mta) (?:said|replied|returned|responded)(?: with)?:|it responded as follows: ?\[?|responded with:|(?:failed|rejected|replied|refused|answered) with:|smtp error from remote mail(?:er| server)[^:]{0,120}(?::<[^>]{0,320}>)?:|did not like our [a-z ]{1,30}:|<<<|error message:|server (?:said|response|message):|last error:|\breason:|\bsaid:|\bout: (?=[45]\d\d))/gi
const hostPrefix = /^\s{0,9}host \S{1,255}(?: ?\[[^\]]{1,60}\])?(?: said)?:\s{0,9}/i
const typed = /^\s{0,9}(?:smtp|x-[a-z0-9-]{1,30}|dns|unknown|x400|lotus|notes|dsn)\s{0,9};\s{0,9}/i
const wrapped =
  /\d\.\d\.\d - (?:unknown address error|other address status|[a-z ]{3,40}) (?:[45]\d\d-?)?'(.{1,2000}?)'(?: \(delivery attempts: \d{1,6}\))?/i
const exitStatus = /^\s{0,9}x-unix\s{0,9};\s{0,9}(\d{1,3})\s{0,9}$/i
/** What a local mailer's exit status means (sysexits.h); 127 and 126 are the shell's. */
const sysexits: Readonly<Record<string, string>> = {
  '64': 'command line usage error in local mailer',
  '65': 'protocol error: data format',
  '66': 'cannot open input: local error',
  '67': 'user unknown',
  '68': 'host unknown',
  '69': 'service unavailable',
  '70': 'internal software error',
  '71': 'system error',
  '72': 'system error: file missing',
  '73': 'cannot create output: local error',
  '74': 'input/output error',
  '75': 'temporary failure',
  '76': 'protocol error',
  '77': 'insufficient permission',
  '78': 'local configuration error',
  '126': 'local error: cannot execute',
  '127': 'local error: cannot execute',
}
/** Words of the reporting system that say nothing about the cause. */
const noise = [
  /connected to \S{1,80} but (?:sender|recipient|my name|greeting|connection) was rejected\.?/gi,
  /\S{1,80} does not like recipient\.?/gi,
  /giving up on \S{1,80}/gi,
  /i'?m not going to try again;? this message has been in the queue too long\.?/gi,
  /\(in reply to [a-z ]{1,40}command\)/gi,
  /no action is required on your part\.?/gi,
  /delivery attempts will continue for some time, and this warning may be repeated[^.]{0,120}\.(?: eventually[^.]{0,160}\.)?/gi,
  /(?:technical details of (?:permanent|temporary) failure|delivery to the following recipients? (?:failed permanently|has been delayed)):?/gi,
  /(?:the )?(?:following )?message (?:will|would) be retried for \d{1,3} more (?:day|hour)[()s]{0,3}/gi,
  /for (?:further|more) (?:assistance|information),? (?:please )?(?:contact|send mail to|visit|see) \S{1,120}/gi,
  /google tried to deliver your message, but it was rejected by the (?:recipient domain|server for the recipient domain)[^.]{0,120}\.?/gi,
  /we recommend contacting the other email provider for further information about the cause of this error\.?/gi,
  /(?:this is an automatically generated delivery status notification|this (?:message|report|e-?mail) (?:was|is) (?:created |generated )?automatically[^.]{0,60})\.?/gi,
  /a message that you (?:have )?sent (?:could not be delivered|has not yet been delivered) to (?:one or more(?: of its)? |all )?recipients(?: after more than [^.]{1,60})?\.?/gi,
  /this is a permanent error(?:; i've given up)?\.?|sorry it didn't work out\.?/gi,
  /the following address(?:\(es\)|es)? (?:failed|has not yet been delivered):?/gi,
  /i'?m (?:afraid|sorry)[^.]{0,60}(?:wasn't able to deliver your message|your message could not be delivered|the message returned below could not be delivered)[^.:]{0,60}[.:]?/gi,
  /i'?m sorry to have to inform you[^.]{0,120}\.(?: it's attached below\.)?/gi,
  /if you do so, please include this problem report\.?[^.]{0,80}(?:message|below)\.?/gi,
  /sorry, we were unable to deliver your message to the following address(?:es)?\.?/gi,
  /(?:unable|failed|was not able) to deliver (?:the |your |this )?(?:message|mail)(?: to(?: the following (?:address\(es\)|recipients?|address(?:es)?))?)?[.:]?/gi,
  /(?:there was an|an) error (?:occurred while trying to )?deliver(?:ing)? (?:your|the) mail to [^.]{1,200}\.?/gi,
  /(?:your )?message (?:will be|has been) (?:deleted|removed) from (?:the )?(?:mail )?queue/gi,
  /this is the .{1,40} (?:at host|at|program at host) \S{1,200}/gi,
  /the mail system/gi,
  /message from \S{1,200}/gi,
  /we recommend [^.]{0,160}\./gi,
  /-{3,80} ?(?:the following addresses had [a-z -]{1,40}errors|transcript of session follows) ?-{3,80}/gi,
  /the original message was received at .{1,80}? from \S{1,120}/gi,
  /this is a mime-encapsulated message/gi,
]
const codes = /(?:^|[\s:;'"([,=<-])([45]\d\d)(?:[ -]|:|,|$)[\s-]{0,4}(?:#?([245]\.\d{1,3}\.\d{1,3})\b)?/g
const enhancedOnly = /(?:^|[\s(#:;[=])([45]\.\d{1,3}\.\d{1,3})(?=$|[\s)\]:;,.>-])/

/** The remote reply inside a diagnostic text. */
export const unwrap = (raw: string): string => {
  const status = exitStatus.exec(raw)?.[1]
  if (status) return sysexits[status] ?? `command exited with status ${status}`
  let text = raw
    .slice(0, maxText)
    .replace(/\s{1,4000}/g, ' ')
    .trim()
    .replace(typed, '')
  let cut = 0
  for (const found of text.matchAll(said)) {
    if (text.length - found.index - found[0].length > 6) cut = found.index + found[0].length
  }
  text = text.slice(cut).trim().replace(typed, '').replace(hostPrefix, '')
  return wrapped.exec(text)?.[1] ?? text
}

const statusFields = /^(?:reporting-mta|(?:final|original|x-actual)-recipient|action|received-from-mta|arrival-date):/i

const quiet = (text: string): string => {
  if (text.length < 40) return text
  let rest = text
  for (const pattern of noise) rest = rest.replace(pattern, ' ')
  return rest.trim()
}

/** Paragraphs of a longer text, those with a reply code first; a short text is one. */
const segmentsOf = (raw: string): string[] => {
  if (!raw.includes('\n')) return [raw]
  const paragraphs: string[] = []
  for (const block of raw.split(/\n[ \t]{0,20}\n/, maxSegments)) {
    const paragraph = block.trim()
    if (paragraph === '' || statusFields.test(paragraph)) continue
    if (paragraphs.at(-1)?.endsWith(':')) paragraphs.push(`${paragraphs.pop() ?? ''} ${paragraph}`)
    else paragraphs.push(paragraph)
  }
  if (paragraphs.length < 2) return [raw]
  const telling = paragraphs.filter((paragraph) => paragraph.search(said) >= 0 || codesIn(paragraph).code > 0)
  return [...telling, ...paragraphs.filter((paragraph) => !telling.includes(paragraph)), raw]
}

/** Reply code and enhanced code in a text, each absent where there is none. */
export const codesIn = (text: string): { code: number; enhanced: string } => {
  let code = 0
  let enhanced = ''
  for (const found of text.matchAll(codes)) {
    if (code === 0 || (!enhanced && found[2])) {
      code = Number(found[1])
      enhanced = found[2] ?? enhanced
    }
    if (enhanced) break
  }
  if (!enhanced) enhanced = enhancedOnly.exec(text)?.[1] ?? ''
  return { code, enhanced }
}

/** How much a verdict of this layer tells: words first, then enhanced codes, then the rest. */
const weight = (rules: RuleSet, verdict: Verdict): number => {
  switch (rules.layerOf(verdict.rule)) {
    case 'operator':
    case 'provider':
    case 'phrase':
      return rules.isVague(verdict.rule) ? 1.7 : 3
    case 'enhanced':
      return 2
    case 'weak':
      return verdict.class === 'other' ? 0 : 1.5
    case 'code':
      return 1
    default:
      return 0
  }
}

export interface Candidate {
  readonly text: string
  /** Status field that belongs to it. */
  readonly status?: string
}

/**
 * The verdict on a recipient, from texts in order of trust (diagnostic field first, then the report's prose).
 * @param permanent whether the report says that delivery failed, rather than that it is delayed
 */
export const diagnose = (rules: RuleSet, candidates: readonly Candidate[], permanent: boolean): Diagnosis => {
  let best: Diagnosis | undefined
  let most = -1
  for (const { text: raw, status } of candidates) {
    for (const segment of segmentsOf(raw)) {
      const text = unwrap(segment)
      const found = codesIn(text)
      const reply: Reply = {
        code: found.code,
        enhanced: found.enhanced || status || undefined,
        text: quiet(text),
        permanent,
      }
      const verdict = classify(rules, reply)
      const value = weight(rules, verdict)
      if (value > most) {
        most = value
        best = { verdict, code: found.code, enhanced: found.enhanced, text }
      }
      if (most >= 3 && best) return best
    }
  }
  return best ?? { verdict: classify(rules, { code: 0, text: '', permanent }), code: 0, enhanced: '', text: '' }
}
