// One suppressed recipient in one scope, and how it is packed for Redis: addresses are spread over buckets (hashes
// small enough to stay in Redis' compact encoding), one field per address and scope. Ten million entries take about a
// gigabyte, and one HMGET answers for a recipient in all scopes that apply to it.
//
//   field  8 bytes   hash of scope and address
//   value  text      reason, since, until (minutes, base 36), evidence, scope, address; cut into fields of 64 bytes

import { createHash } from 'node:crypto'

/**
 * `operator`: a person listed it. `released`: a person took it off; it holds nothing, and what happened before does not
 * suppress again. The order is that of the packed form: append only.
 */
export const suppressionReasons = [
  'hard_bounce',
  'soft_bounces',
  'complaint',
  'unsubscribe',
  'operator',
  'released',
] as const
export type SuppressionReason = (typeof suppressionReasons)[number]

/** Where a suppression holds: everywhere, for all mail of a tenant, for a stream (of all tenants, or of one). */
export type SuppressionScope =
  | { readonly kind: 'global' }
  | { readonly kind: 'tenant'; readonly name: string }
  | { readonly kind: 'stream'; readonly name: string }

export interface Suppression {
  /** As `canonicalAddress` writes it. */
  readonly address: string
  readonly scope: SuppressionScope
  readonly reason: SuppressionReason
  /** Id (UUID) of the outcome that is the evidence; empty where an operator acted. */
  readonly evidence: string
  /** ms since 1970, to the minute */
  readonly since: number
  /** ms since 1970, to the minute; absent = for good */
  readonly until?: number
}

/**
 * Number of buckets: with ten million entries each holds about 50 fields; up to 128 (hash-max-listpack-entries) Redis
 * keeps a hash in its compact form.
 */
export const bucketCount = 2 ** 18

/** Values longer than this would turn a whole bucket into the loose form (hash-max-listpack-value). */
const chunkBytes = 64
/** Enough for the longest address in the scope of the longest names: every entry fits. */
const maxChunks = 32
const minute = 60_000

/** Addresses are compared without regard to letter case and surrounding space. */
export const canonicalAddress = (address: string): string => address.trim().toLowerCase()

export const sayScope = (scope: SuppressionScope): string =>
  scope.kind === 'global' ? 'global' : `${scope.kind}:${scope.name}`

/** Undefined where the text is no scope. */
export const readScope = (text: string): SuppressionScope | undefined => {
  if (text === 'global') return { kind: 'global' }
  const [kind, ...rest] = text.split(':')
  const name = rest.join(':')
  return name !== '' && (kind === 'tenant' || kind === 'stream') ? { kind, name } : undefined
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Bucket of an address, 0..bucketCount-1: the same for all its scopes. */
export const bucketOf = (address: string): number => digest(canonicalAddress(address)).readUInt32BE(0) % bucketCount

/** Field of an address in a scope: 8 bytes, as a latin1 string of 8 characters. */
export const fieldOf = (address: string, scope: SuppressionScope): string =>
  digest(`${sayScope(scope)}\0${canonicalAddress(address)}`)
    .subarray(0, 8)
    .toString('latin1')

/** A stream of one tenant is `tenant/stream`: names of streams have no slash, so the last one divides. */
export const streamScope = (tenant: string, stream: string): SuppressionScope => ({
  kind: 'stream',
  name: tenant ? `${tenant}/${stream}` : stream,
})

/** The scopes that apply to a recipient of a message, the widest first. */
export const scopesFor = (tenant: string, stream: string): SuppressionScope[] => [
  { kind: 'global' },
  ...(tenant ? [{ kind: 'tenant', name: tenant } as const] : []),
  ...(stream ? [streamScope('', stream)] : []),
  ...(tenant && stream ? [streamScope(tenant, stream)] : []),
]

/** Field/value pairs for HSET; the first is `fieldOf`, further ones carry its number behind it. */
export const packSuppression = (one: Suppression): [field: string, value: string][] => {
  const text = [
    suppressionReasons.indexOf(one.reason).toString(36),
    Math.floor(one.since / minute).toString(36),
    one.until === undefined ? '' : Math.floor(one.until / minute).toString(36),
    packEvidence(one.evidence),
    one.scope.kind === 'global' ? '' : `${one.scope.kind}:${one.scope.name.replace(/[%\s]/g, encodeURIComponent)}`,
    canonicalAddress(one.address),
  ].join(' ')
  const bytes = Buffer.from(text, 'utf8')
  const field = fieldOf(one.address, one.scope)
  const count = Math.ceil(bytes.length / chunkBytes)
  if (count > maxChunks) throw new RangeError(`an entry of ${bytes.length} bytes is too long: ${text.slice(0, 80)}`)
  return Array.from({ length: count }, (_, index) => [
    index === 0 ? field : `${field}${index}`,
    bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes).toString('latin1'),
  ])
}

/** All fields an entry may occupy: what a removal deletes. */
export const fieldsOf = (address: string, scope: SuppressionScope): string[] => {
  const field = fieldOf(address, scope)
  return Array.from({ length: maxChunks }, (_, index) => (index === 0 ? field : `${field}${index}`))
}

/** The entry packed into these values (latin1, in order), or undefined where they are not one: Redis is outside. */
export const unpackSuppression = (values: readonly string[]): Suppression | undefined => {
  const text = Buffer.from(values.join(''), 'latin1').toString('utf8')
  const [reasonIndex = '', since = '', until, evidence = '', scopeText, ...addressParts] = text.split(' ')
  const reason = suppressionReasons[parseInt(reasonIndex, 36)]
  const scope = scopeText === undefined ? undefined : readPackedScope(scopeText)
  // The address comes last because a quoted local part may hold spaces.
  const address = addressParts.join(' ')
  const from = parseInt(since, 36)
  if (!reason || !scope || !address || until === undefined || !Number.isFinite(from)) return undefined
  const end = until === '' ? undefined : parseInt(until, 36)
  if (end !== undefined && !Number.isFinite(end)) return undefined
  return {
    address,
    scope,
    reason,
    evidence: unpackEvidence(evidence),
    since: from * minute,
    ...(end !== undefined && { until: end * minute }),
  }
}

const uuidForm = /^(.{8})-?(.{4})-?(.{4})-?(.{4})-?(.{12})$/

const packEvidence = (id: string): string =>
  uuidForm.test(id) ? Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url') : ''

const unpackEvidence = (packed: string): string =>
  Buffer.from(packed, 'base64url').toString('hex').replace(uuidForm, '$1-$2-$3-$4-$5')

const readPackedScope = (text: string): SuppressionScope | undefined => {
  if (text === '') return { kind: 'global' }
  try {
    return readScope(decodeURIComponent(text))
  } catch {
    return undefined // a malformed escape: not an entry of ours
  }
}
