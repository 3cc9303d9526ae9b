// internet.yaml: the providers of a model internet, their MX hosts and domains, their behaviours, and the DNS around
// them. Checked as a whole: every complaint has file, line and key.

import { isIPv4 } from 'node:net'

import { ConfigError, readDocument, type ConfigDocument } from '@sluice/core/config/document'
import { z } from 'zod'

import { behaviourSchema } from '../behaviour/catalogue'
import { latencySchema } from '../behaviour/latency'
import { replyText } from '../behaviour/reply'

const domain = z
  .string()
  .max(253)
  .toLowerCase()
  .regex(
    /^([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'a domain name of two labels or more',
  )

const loopback = z.string().refine((text) => isIPv4(text) && text.startsWith('127.'), 'an IPv4 address in 127.0.0.0/8')

const ttl = z.int().min(0).max(86_400)

const mxHost = z.strictObject({
  host: domain,
  preference: z.int().min(0).max(65_535).default(10),
  address: loopback,
  /** Known to DNS, but nobody listens: connections are refused. */
  down: z.boolean().default(false),
})
export type MxHostSpec = z.output<typeof mxHost>

/** What the SMTP service offers and how it greets. */
export const serviceSchema = z.strictObject({
  greeting: replyText.default('220 {host} ESMTP'),
  /** Answer to the end of a message. */
  accepted: replyText.default('250 2.0.0 Ok: queued as {id}'),
  recipient: replyText.default('250 2.1.5 Ok'),
  starttls: z.boolean().default(true),
  pipelining: z.boolean().default(true),
  eight_bit_mime: z.boolean().default(true),
  smtputf8: z.boolean().default(false),
  /** Largest message in bytes (RFC 1870). */
  size: z.int().min(1024).max(1_073_741_824).default(52_428_800),
  /** Seconds without a command after which the connection is closed (421). */
  idle_s: z.number().min(1).max(3600).default(300),
})
export type ServiceOptions = z.output<typeof serviceSchema>

const providerSchema = z.strictObject({
  label: z.string().max(255).default(''),
  domains: z.array(domain).max(1000).default([]),
  mx: z.array(mxHost).min(1).max(100),
  /** Share of the campaign's recipients, against the other providers' and domains'. */
  weight: z.number().min(0).max(1_000_000).default(1),
  service: serviceSchema.prefault({}),
  latency: latencySchema.default({}),
  behaviour: behaviourSchema.prefault({}),
})
export type ProviderSpec = z.output<typeof providerSchema>

/** A domain of its own: hosted by a provider, or with trouble in DNS. */
const domainSchema = z.strictObject({
  provider: z.string().optional(),
  /** No MX record: the domain's own A record is the provider's first host (RFC 5321 5.1). */
  implicit_mx: z.boolean().default(false),
  /** null_mx: `MX 0 .` (RFC 7505); no_address: MX host without A record; servfail, drop: the name and all below it. */
  dns: z.enum(['null_mx', 'no_address', 'servfail', 'drop']).optional(),
  weight: z.number().min(0).max(1_000_000).default(0),
})

const internetSchema = z.strictObject({
  dns: z.strictObject({ ttl_s: ttl.default(300), negative_ttl_s: ttl.default(60) }).prefault({}),
  providers: z.record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'a-z 0-9 _ -'), providerSchema),
  domains: z.record(domain, domainSchema).default({}),
})

export type Internet = z.output<typeof internetSchema>

/** @throws ConfigError naming file, line and key */
export const readInternet = (file: string, text: string): Internet => {
  const document = readDocument(file, text, internetSchema)
  const complaints = [...contradictions(document)]
  if (complaints.length > 0) throw new ConfigError('SLUICE_CONFIG_INVALID', complaints)
  return document.value
}

type Complaints = Generator<ReturnType<ConfigDocument<Internet>['complain']>>

/** What one key alone cannot show: things defined twice, references to nothing, impossible combinations. */
function* contradictions({ value, complain }: ConfigDocument<Internet>): Complaints {
  const owners = new Map<string, string>()
  function* once(name: string, owner: string, path: readonly PropertyKey[]): Complaints {
    const other = owners.get(name)
    if (other !== undefined) yield complain(path, `${name} is already ${other}`)
    owners.set(name, owner)
  }

  if (Object.keys(value.providers).length === 0) yield complain(['providers'], 'at least one provider is needed')
  for (const [id, provider] of Object.entries(value.providers)) {
    for (const [i, { host, address }] of provider.mx.entries()) {
      yield* once(host, `an MX host of ${id}`, ['providers', id, 'mx', i, 'host'])
      yield* once(address, `an address of ${id}`, ['providers', id, 'mx', i, 'address'])
    }
    for (const [i, name] of provider.domains.entries()) {
      yield* once(name, `a domain of ${id}`, ['providers', id, 'domains', i])
    }
    if (provider.behaviour.require_tls && !provider.service.starttls) {
      yield complain(['providers', id, 'behaviour', 'require_tls'], 'needs service.starttls')
    }
  }
  for (const [name, spec] of Object.entries(value.domains)) {
    const path = ['domains', name]
    yield* once(name, 'a domain', path)
    if (spec.provider !== undefined && !value.providers[spec.provider]) {
      yield complain([...path, 'provider'], `there is no provider ${spec.provider}`)
    }
    if ((spec.provider === undefined) === (spec.dns === undefined)) {
      yield complain(path, 'either provider or dns is needed, not both')
    }
    if (spec.implicit_mx && spec.provider === undefined) yield complain([...path, 'implicit_mx'], 'needs provider')
  }
}
