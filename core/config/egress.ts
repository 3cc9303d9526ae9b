// egress.yaml: egress sources, egress pools, streams; which header names the tenant and the campaign.
// `readEgress` checks the shape and the references between the parts; the result is immutable.

import { z } from 'zod'

import { ConfigError, readDocument, type Complaint } from './document'

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name is letters, digits, . _ - (at most 64)')
const hostName = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/, 'not a host name')
const address = z.union([z.ipv4(), z.ipv6()], { error: 'not an IP address' })
const headerName = z.string().regex(/^[!-9;-~]{1,64}$/, 'not a header name')
const many = <T extends z.ZodType>(one: T) => z.union([one.transform((value) => [value]), z.array(one).max(10_000)])

/** A secret is never written into a file that is shared: it names where it is. */
export const secretSchema = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
])
export type SecretReference = z.infer<typeof secretSchema>

const ipSource = z.strictObject({
  /** Local addresses to bind, at most one per family; the family is matched to the MX address. */
  ip: many(address).refine((list) => list.length >= 1 && list.length <= 2, 'one address, or one IPv4 and one IPv6'),
  /** Name given in EHLO (RFC 5321 4.1.1.1). */
  ehlo: hostName,
})

const relaySource = z.strictObject({
  relay: z.strictObject({
    host: z.union([hostName, address]),
    port: z.int().min(1).max(65535).default(587),
    /** none: plain text; opportunistic: STARTTLS if offered; required: STARTTLS or no delivery. */
    tls: z.enum(['none', 'opportunistic', 'required']).default('required'),
    username: z.string().min(1).max(255).optional(),
    password: secretSchema.optional(),
  }),
  ehlo: hostName.optional(),
  ip: address.optional(),
})

const source = z.union([ipSource, relaySource], { error: 'a source has `ip` and `ehlo`, or `relay`' })

const stream = z.strictObject({
  match: z
    .strictObject({
      /** Authenticated SMTP users. */
      user: many(z.string().min(1).max(255)).optional(),
      /** Domains of the envelope sender; `.example.com` also matches every name below it. */
      sender_domain: many(z.string().min(1).max(254).toLowerCase()).optional(),
      /** Header fields and the value each must have (letter case does not matter). */
      header: z.record(headerName, z.string().max(998)).optional(),
    })
    .optional(),
  pool: name,
  /** Pools tried in order when every source of `pool` is closed for the provider. */
  fallback: z.array(name).max(8).default([]),
})

const egressSchema = z.strictObject({
  sources: z.record(name, source),
  /** pool -> source -> base weight; only the ratio matters, 0 = no traffic */
  pools: z.record(name, z.record(name, z.number().min(0).max(1_000_000))),
  /** Tried in the order of the file; the first match wins. */
  streams: z.record(name, stream),
  /** Stream of mail that nothing else matches. */
  default_stream: name,
  /** Header fields by which the submitter names stream, tenant and campaign; removed before the mail leaves. */
  headers: z
    .strictObject({
      stream: headerName.default('X-Sluice-Stream'),
      tenant: headerName.default('X-Sluice-Tenant'),
      campaign: headerName.default('X-Sluice-Campaign'),
    })
    .prefault({}),
})

export type EgressConfig = z.output<typeof egressSchema>
export type EgressSource = EgressConfig['sources'][string]
export type RelaySource = z.output<typeof relaySource>
export type StreamConfig = EgressConfig['streams'][string]

export const isRelay = (one: EgressSource): one is RelaySource => 'relay' in one

/** @throws ConfigError naming file, line and key */
export const readEgress = (file: string, text: string): EgressConfig => {
  const { value, complain } = readDocument(file, text, egressSchema)
  const complaints: Complaint[] = []
  const unless = (good: boolean, path: readonly PropertyKey[], message: string): void => {
    if (!good) complaints.push(complain(path, message))
  }

  unless(Object.keys(value.sources).length > 0, ['sources'], 'at least one source is needed')
  for (const [id, one] of Object.entries(value.sources)) {
    if (!isRelay(one)) {
      const families = new Set(one.ip.map((ip) => ip.includes(':')))
      unless(families.size === one.ip.length, ['sources', id, 'ip'], 'two addresses must be of different families')
    } else {
      const { username, password } = one.relay
      unless(!username === !password, ['sources', id, 'relay'], '`username` and `password` go together')
    }
  }
  for (const [pool, weights] of Object.entries(value.pools)) {
    unless(Object.keys(weights).length > 0, ['pools', pool], 'a pool needs at least one source')
    for (const id of Object.keys(weights)) unless(id in value.sources, ['pools', pool, id], `no source is named ${id}`)
  }
  for (const [id, one] of Object.entries(value.streams)) {
    unless(one.pool in value.pools, ['streams', id, 'pool'], `no pool is named ${one.pool}`)
    one.fallback.forEach((pool, index) =>
      unless(pool in value.pools, ['streams', id, 'fallback', index], `no pool is named ${pool}`),
    )
  }
  unless(value.default_stream in value.streams, ['default_stream'], `no stream is named ${value.default_stream}`)

  if (complaints.length > 0) throw new ConfigError('SLUICE_CONFIG_INVALID', complaints)
  return value
}
