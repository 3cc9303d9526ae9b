// What kind of mail this is. A bounce needs two signs that agree, of sender, subject and words: ordinary mail must
// never suppress anybody. RFC 3464 and RFC 3834 marks are believed.

import { wordsOfHtml } from './html'
import type { Mail } from './mail'

const bounceSender =
  /(?:mailer[-_.]?daemon|post-?master|poostmaster|mail[-_ ]?delivery|mdaemon|mail[-_ ]?(?:system|administrator|server)|system administrator|delivery (?:sub)?system|mail-?daemon|^bounces?@|^ndr@|failure)/i
const bounceSubject =
  /(?:undeliver|not (?:be )?deliver|(?:delivery|mail|message|e-?mail)(?: \S{1,30}){0,2} (?:fail|status|problem|error|delay|report|has failed|notification|warning)|fail(?:ure|ed) (?:notice|delivery|notification|to deliver|mail)|returned mail|return(?:ing|ed)? (?:message|mail|to sender)|mail failed|failure notice|delivery failure|bounced|non[- ]?(?:remis|deliver|d[eé]livr)|could ?n[o']t (?:be )?(?:deliver|send)|warning:? (?:message|could|mail)|(?:message|mail|delivery).{0,40}delayed|rejected|error sending your mail|unzustellbar|nicht zustellbar|zustellung|undelivrable|no entregado|devuelto|não entregue|niet bezorg|недоставлен|не доставлен|доставк|невозможно|配信|送信エラー|送信できません|退信|投递失败|mail system error|user unknown|unknown user|non recens|not (?:a )?member|errors? from|mailbox.{0,20}(?:full|unknown)|quota|returned to sender|nameserver error report)/i
/** Words of failure; with a mailer's name above them they are enough. */
const bounceWords =
  /(?:(?:could|can|was|were|has|have)(?: ?not|n't)(?: yet)?(?: been)?(?: be)?(?: successfully)? (?:deliver|sent|reach)|(?:unable|failed|impossible|not possible|not able|error|errors|problem|trouble|wasn't able|difficult\w*)(?: occurred)?(?: while| when)?(?: trying)?(?: in)? ?(?:to )?(?:send|deliver|delivering|sending|process)|did not reach|delivery (?:to the following|failed|has failed|of this|error|failure|has been delayed|attempt)|(?:permanent|fatal|temporary) (?:fatal )?(?:delivery )?(?:error|failure)|undeliver|did not receive|returned to sender|user unknown|unknown user|no such user|unknown host|mailbox (?:is )?full|mailfolder is full|(?:following|these) (?:address|recipient)\w* (?:fail|had|were|could|did|has)|rejected (?:your|recipient|by)|said: ?[45]\d\d|\b55\d[ -]|not delivered|invalid final delivery|transcript of session|not listed in|failed addresses|failure reasons|n'a pas (?:pu|été|ete)|nicht zugestellt|konnte nicht|no (?:se )?(?:pudo|ha podido)|não (?:foi|pôde|pode)|не может быть доставлен|не удалось доставить|送信できません|送信に失敗|配信できません|届きません|送れません|エラー|not a member|delivery status|has not yet been delivered|mailbox unavailable|over disk quota|not found|as their mailbox)/i
/** Words that only a mail system uses of a mail; with a subject of failure they are enough, whoever sent them. */
const mailFailed =
  /(?:(?:mail|message|e-?mail)[^.\n]{0,80}(?:(?:could|can|was|were|has|have)(?: ?not|n't)(?: yet)?(?: been)?(?: be)? (?:deliver|sent)|undeliver|not delivered|n'a pas (?:pu|été|ete)|nicht zugestellt|no se pudo)|(?:deliver|send)\w* (?:the |your |this |of )*(?:mail|message|e-?mail)[^.\n]{0,60}(?:fail|recipient|address|to )|did not reach the following|delivery has failed to these recipients|delivery to the following recipient|user unknown|unknown user|no such user|recipient address rejected|not a member of this (?:mailing )?list|undeliverable to|invalid final delivery|failed recipient|rcpt to:|said: ?[45]\d\d |message not delivered to)/i
const autoSubject =
  /(?:out of (?:the )?office|auto(?:matic|mated|matically)?[ -]?(?:re(?:ply|sponse|spond)|answer|antwort|generated re)|^auto:|vacation|abwesen|réponse automatique|reponse automatique|respuesta autom|resposta autom|risposta automatica|automatische? (?:antwort|beantwoord)|automatiska atbilde|自動(?:返信|応答)|自动回复|自動回覆|자동 ?(?:응답|회신)|부재중|автоответ|автоматическ(?:ий|ое) (?:ответ|уведомл)|autosvar|afwezig|automaattinen|automatyczna odpowied|automatická odpov|automatikus válasz|αυτόματη απάντηση|otomatik (?:yanıt|cevap)|תשובה אוטומטית|الرد التلقائي|رد تلقائي|trả lời tự động|räspuns automat|răspuns automat|automatski odgovor|poissa|frånvaro|fravær|nieobecno|assenza|ausência|ausencia|absence|away notice|away from (?:my|the)|on holiday|urlaub|automatisk)/i
const autoWords =
  /(?:\b(?:i am|i'm|i will be|he is|she is)(?: currently)? (?:away|on (?:vacation|holiday|leave|annual)|out of (?:the )?office|not in the office)|out of (?:the )?office|this is an? auto(?:matic|mated|matically generated)? ?(?:re(?:ply|sponse)|response)|on (?:annual )?leave until|im urlaub|nicht im (?:büro|haus)|absent du bureau|en congés?|estamos procesando la respuesta|fuera de la oficina)/i
/** A person who tells of a failure; mail systems that say "I" name themselves a mailer. */
const personal = /\bi(?:'ve| have)? (?:just )?(?:tried|sent|got|received|wrote|keep getting)\b/i
/** A person's answer or forward; some gateways put their notice behind it. */
const answers =
  /^(?:re|fwd?|aw|wg|antw|sv|rif)\s?:(?!.{0,300}:\s?(?:non remis|undeliver|not delivered|unzustellbar|nicht zugestellt))/i
const unsubscribe = /^(?:re: ?)?(?:unsubscribe|opt-?out|remove|list-unsubscribe)\b/i

/** Beyond this many characters of one part nothing is read: a report says what it has to say before. */
const maxProse = 100_000

/** The first text of the mail: what its author wrote. HTML is reduced to its words. */
export const proseText = (mail: Mail): string => {
  const stop = mail.parts.findIndex(({ type }) => /^message\/|rfc822-headers/.test(type))
  const own = (stop < 0 ? mail.parts : mail.parts.slice(0, stop)).filter(
    ({ headers, name }, index) =>
      index === 0 || (name === '' && !/^attachment/i.test(headers.get('content-disposition'))),
  )
  const plain = own.filter(({ type }) => type === 'text/plain' || type === 'text')
  if (plain.length > 0) return plain.map(({ text }) => text.slice(0, maxProse)).join('\n')
  return own
    .filter(({ type }) => type === 'text/html')
    .map(({ text }) => wordsOfHtml(text.slice(0, maxProse)))
    .join('\n')
}

export const hasStatusPart = (mail: Mail): boolean =>
  mail.parts.some(({ type }) => /^message\/(?:global-)?delivery-status$/.test(type))

const isAutoSubmitted = (mail: Mail): boolean => {
  const { headers } = mail
  return (
    /^auto-(?:replied|generated)/i.test(headers.get('auto-submitted')) ||
    /^auto[-_]?reply/i.test(headers.get('precedence')) ||
    /^(?:yes|vacation|true|autoreply)/i.test(headers.get('x-autoreply') || headers.get('x-autorespond')) ||
    headers.has('x-autorespond') ||
    headers.has('x-autoreply-from')
  )
}

/**
 * Whether the mail is a bounce or a delay notice, with or without RFC 3464 fields.
 * @param end where the copy of the original begins in `prose`
 */
export const isBounce = (mail: Mail, prose: string, end: number): boolean => {
  const { headers } = mail
  if (mail.parts.some(({ type }) => type === 'message/disposition-notification')) return false
  if (hasStatusPart(mail)) return true
  if (mail.type === 'multipart/report' && /^delivery-status/i.test(mail.params['report-type'] ?? '')) return true
  if (headers.has('x-failed-recipients')) return true
  const own = prose.slice(0, Math.min(6000, Math.max(end, 400)))
  const subject = headers.get('subject')
  const titled = bounceSubject.test(subject)
  const from = headers.get('from')
  if (bounceSender.test(from) || from === '<>') return bounceWords.test(own) || (titled && own.includes('@'))
  if (isAutoReply(mail, prose) && !mailFailed.test(own)) return false
  if (headers.get('return-path') === '<>') return titled ? bounceWords.test(own) : mailFailed.test(own)
  const written = answers.test(subject) || personal.test(own) || headers.has('list-unsubscribe')
  return titled && !written && own.includes('@') && mailFailed.test(own)
}

/** Whether a person's software answered by itself (RFC 3834). */
export const isAutoReply = (mail: Mail, prose: string): boolean => {
  const subject = mail.headers.get('subject')
  if (unsubscribe.test(subject)) return false
  if (mail.parts.some(({ type }) => type === 'message/disposition-notification')) return false
  if (isAutoSubmitted(mail)) return true
  return autoSubject.test(subject) || autoWords.test(prose.slice(0, 1500))
}

/** Whether the mail carries an aggregate report (RFC 7489 7.2, RFC 8460 5.3). */
export const aggregateKind = (mail: Mail): 'dmarc' | 'tlsrpt' | undefined => {
  if (mail.params['report-type']?.toLowerCase() === 'tlsrpt' || mail.headers.has('tls-report-domain')) return 'tlsrpt'
  for (const { type, name } of mail.parts) {
    if (/^application\/tlsrpt/.test(type) || /\.json(?:\.gz)?$/i.test(name)) return 'tlsrpt'
    if (/^[^!\s]{1,200}![^!\s]{1,200}!\d{5,12}!\d{5,12}(?:![^!\s]{1,200})?\.(?:xml|xml\.gz|zip|gz)$/i.test(name))
      return 'dmarc'
    if (
      /^(?:application|text)\/(?:xml|zip|gzip|x-zip|x-gzip|x-zip-compressed)/.test(type) &&
      /report[ -]domain|dmarc/i.test(mail.headers.get('subject'))
    )
      return 'dmarc'
  }
  return undefined
}
