// The signature of a reply: its words without what differs from message to message (addresses, hosts, URLs, ids,
// numbers). Equal signatures group in the inbox of unknown replies. Short letter-digit codes that providers print on
// purpose ([TS03], IB105, OFR_416) stay.

import { normaliseReply, type Reply } from './reply'

const maxLength = 300
const url = /\b(?:[a-z]{2,10}:\/\/|www\.)[^\s<>"')\]]{1,500}/g
const host = /\b[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,8}\.[a-z]{2,24}\b/g
const token = /[^\s<>()[\]{}"',;:=/|]{0,200}\d[^\s<>()[\]{}"',;:=/|]{0,200}/g
const providerCode = /^[a-z]{1,8}[_-]?\d{1,4}(?:_\d{1,4})?$/
const repeated = /#(?:[ .:,/-]{0,2}#){1,20}/g

/** @returns at most 300 characters, e.g. `550 5.1.1 <@>: recipient address rejected: user unknown` */
export const signatureOf = (reply: Reply): string => {
  const { code, enhancedClass, enhancedDetail, text } = normaliseReply(reply)
  const words = text
    .replace(url, '(url)')
    .replace(host, '(host)')
    .replace(token, (found) => (providerCode.test(found) ? found : '#'))
    .replace(repeated, '#')
    .trim()
  const codes = enhancedClass > 0 ? `${code} ${enhancedClass}.${enhancedDetail}` : String(code)
  return `${codes} ${words}`.slice(0, maxLength).trimEnd()
}
