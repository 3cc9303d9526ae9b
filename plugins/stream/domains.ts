// The domains a receiver knows a message by: that of the From header, and that of the DKIM signature. Both are bounded
// and lower case; undefined where the message has none that can be read.

const longest = 255
/** A header may be megabytes long. */
const mostText = 2048
const mostSignatures = 20

/** Domain of the first address in a From header (RFC 5322 3.6.2). */
export const fromDomain = (header: string): string | undefined => {
  // A display name in quotes, or a comment, may hold anything, also an address.
  const text = header.slice(0, mostText).replace(/"(?:[^"\\]|\\.)*"|\([^()]*\)/g, ' ')
  const found = /<[^<>]*@([^<>@\s]+)\s*>/.exec(text) ?? /@([^<>@\s,;:]+)/.exec(text)
  return domainOf(found?.[1])
}

/** Tag `d=` of the signature that is the sender's own: aligned with the From domain, else the one added last. */
export const signatureDomain = (signatures: readonly string[], from: string | undefined): string | undefined => {
  const domains = signatures
    .slice(-mostSignatures)
    .map((one) => domainOf(/(?:^|;)\s*d\s*=\s*([^;\s]+)/.exec(one.slice(0, mostText))?.[1]))
    .filter((one) => one !== undefined)
  return domains.find((one) => from !== undefined && isAligned(one, from)) ?? domains.at(-1)
}

const isAligned = (domain: string, from: string): boolean => from === domain || from.endsWith(`.${domain}`)

const domainOf = (text: string | undefined): string | undefined => {
  const domain = text?.toLowerCase().replace(/\.$/, '') ?? ''
  return domain !== '' && domain.length <= longest && /^[\p{L}\p{N}._-]+$/u.test(domain) ? domain : undefined
}
