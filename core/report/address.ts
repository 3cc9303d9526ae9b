// Mail addresses as they stand in reports: in angle brackets, with a type in front (`rfc822;`), with a source route, as
// the X.400 or LDAP form of old gateways, or in the middle of a sentence.

/** The marks of Chinese and Japanese texts, which stand next to addresses without a space, are no part of them. */
const bare =
  /[^\s<>()[\]",;:@'`\\=|\u3000-\u303f\uff01-\uff0f\uff1a-\uff20]{1,128}@[a-z0-9](?:[a-z0-9._-]{0,250}[a-z0-9])?/i
const bareAll = new RegExp(bare.source, 'gi')
const quoted = /"[^"\n]{1,128}"@[a-z0-9.-]{1,253}/i
const typed = /^\s{0,9}[a-z0-9/-]{0,40}\s{0,9};\s{0,9}/i

/** The first address in `text`, without brackets; undefined where there is none. */
export const addressIn = (text: string): string | undefined => {
  const found = quoted.exec(text)?.[0] ?? bare.exec(text)?.[0]
  return found === undefined ? undefined : tidy(found)
}

/** All addresses in `text`, in order, each once. */
export const addressesIn = (text: string): string[] => {
  const found = text.match(bareAll)
  return found ? [...new Set(found.map(tidy))] : []
}

const tidy = (address: string): string => address.replace(/^(?:mailto:|smtp:)/i, '').replace(/[.]$/, '')

/**
 * The address of a Final-Recipient, Original-Recipient or Original-Rcpt-To field (RFC 3464 2.3.1): without its type
 * and brackets; also where only a local part or an odd form stands there. Empty where the field says nothing.
 */
export const recipientOf = (field: string): string => {
  const value = field
    .replace(typed, '')
    .replace(/\([^)]{0,200}\)\s{0,9}$/, '')
    .trim()
  const inside = /<([^<>]{1,320})>/.exec(value)?.[1] ?? value
  const route = inside.replace(/^@[^:]{1,300}:/, '').trim()
  if (/^(unknown|undisclosed[ -]recipients?:?;?|none|n\/a|-|null)?$/i.test(route)) return ''
  if (route.includes('@') && !/\s/.test(route) && !/^\/|imceaex/i.test(route))
    return route.replace(/^(?:mailto|smtp):/i, '')
  return addressIn(route) ?? route.slice(0, 320)
}
