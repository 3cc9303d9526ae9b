// What the configuration says about leaving, in the form the hot path asks for it: pools of a stream, families and
// credentials of a source, limits of a lane. Made anew when the configuration changes; the chooser in it follows the
// routing document.

import { Chooser } from '@sluice/core/admission/choice'
import { familyOf, v4, v6, type Families } from '@sluice/core/admission/reach'
import { isRelay, type EgressConfig, type EgressSource, type RelaySource } from '@sluice/core/config/egress'
import type { ShapingConfig } from '@sluice/core/config/shaping'
import { netblockOf } from '@sluice/core/lane/scope'
import { compileCatalogue, type Catalogue } from '@sluice/core/provider/catalogue'
import { anyProvider } from '@sluice/core/routing/table'
import { limitsOf, type CompleteLimits } from '@sluice/core/shaping/limits'
import { matchStream } from '@sluice/core/stream/match'
import { tagOf } from '@sluice/core/stream/tag'
import { readSecret, type Configuration, type HMail } from 'haraka-plugin-sluice-host'

/** Merged limits remembered; sites nobody has named are providers of their own. */
const limit = 20_000

export class Policy {
  readonly chooser: Chooser
  readonly catalogue: Catalogue
  private readonly passwords = new Map<string, string>()
  private readonly families = new Map<string, Families>()
  private readonly unableTo: readonly ReadonlySet<string>[]
  private readonly pools = new Map<string, readonly string[]>()
  private readonly limits = new Map<string, CompleteLimits>()
  /** Whether there are quiet hours anywhere. */
  readonly hasQuietHours: boolean
  private readonly others = new Map<string, ReadonlySet<string>>()

  private constructor(
    private readonly egress: EgressConfig,
    private readonly shaping: ShapingConfig,
  ) {
    this.chooser = new Chooser(egress)
    this.catalogue = compileCatalogue(shaping)
    for (const [id, source] of Object.entries(egress.sources)) {
      this.families.set(id, familiesOfSource(source))
      if (isRelay(source) && source.relay.password) this.passwords.set(id, readSecret(source.relay.password))
    }
    for (const [id, stream] of Object.entries(egress.streams)) this.pools.set(id, [stream.pool, ...stream.fallback])
    this.hasQuietHours = hasQuietHours(shaping)
    this.unableTo = [0, v4, v6, v4 | v6].map((reach) => this.unableSources(reach))
  }

  /**
   * @returns undefined where there is no egress.yaml: Sluice does not steer
   * @throws SluiceError SLUICE_SECRET_MISSING
   */
  static of({ egress, shaping }: Configuration): Policy | undefined {
    return egress && new Policy(egress, shaping)
  }

  get sources(): ReadonlySet<string> {
    return new Set(this.families.keys())
  }

  get poolNames(): readonly string[] {
    return Object.keys(this.egress.pools)
  }

  hasSource(pool: string, source: string): boolean {
    return Object.hasOwn(this.egress.pools[pool] ?? {}, source)
  }

  source(id: string): EgressSource | undefined {
    return this.egress.sources[id]
  }

  relay(id: string): RelaySource['relay'] | undefined {
    const source = this.egress.sources[id]
    return source && isRelay(source) ? source.relay : undefined
  }

  password(id: string): string | undefined {
    return this.passwords.get(id)
  }

  /** Stream of a mail: its tag, else as if it were submitted now without headers (Haraka's own bounces). */
  streamOf({ todo }: HMail): string {
    const tagged = tagOf(todo.notes)?.stream
    if (tagged !== undefined && this.pools.has(tagged)) return tagged
    return matchStream(this.egress, { sender_domain: todo.mail_from.host || undefined, header: () => undefined })
  }

  /** Pools of a stream in the order to try them. */
  poolsOf(stream: string): readonly string[] {
    return this.pools.get(stream) ?? this.pools.get(this.egress.default_stream) ?? []
  }

  /** What shaping.yaml says of a stream; undefined where it says nothing. */
  streamShaping(stream: string): ShapingConfig['streams'][string] | undefined {
    return Object.hasOwn(this.shaping.streams, stream) ? this.shaping.streams[stream] : undefined
  }

  /** Share of a contended lane. */
  tenantWeight(tenant: string): number {
    return Object.hasOwn(this.shaping.tenants, tenant) ? (this.shaping.tenants[tenant]?.weight ?? 1) : 1
  }

  /** All sources but this one. */
  othersThan(source: string): ReadonlySet<string> {
    const known = this.others.get(source)
    if (known) return known
    const others = new Set(this.families.keys())
    others.delete(source)
    this.others.set(source, others)
    return others
  }

  /** Sources that can reach no address of `reach`. Relays reach everything. */
  unable(reach: Families): ReadonlySet<string> {
    return this.unableTo[reach] ?? noSources
  }

  /** Whether any source of these pools could ever deliver to an address of `reach`. */
  canReach(pools: readonly string[], reach: Families): boolean {
    const unable = this.unable(reach)
    return pools.some((pool) => Object.keys(this.egress.pools[pool] ?? {}).some((source) => !unable.has(source)))
  }

  /** Local addresses of a source. */
  addressesOf(source: string): readonly string[] {
    const { ip = [] } = this.egress.sources[source] ?? {}
    return typeof ip === 'string' ? [ip] : ip
  }

  /** Sources with an address in a netblock (/24, /64) of this one, itself included. */
  neighboursOf(source: string): readonly string[] {
    const netblocks = new Set(this.addressesOf(source).map(netblockOf))
    return [...this.families.keys()].filter((id) => this.addressesOf(id).some((ip) => netblocks.has(netblockOf(ip))))
  }

  /** Whether mail of a stream may leave by a relay. */
  mayRelay(stream: string): boolean {
    return this.poolsOf(stream).some((pool) => Object.keys(this.egress.pools[pool] ?? {}).some((id) => this.relay(id)))
  }

  familiesOf(source: string): Families {
    return this.families.get(source) ?? 0
  }

  /** Provider of the lane: a relay is one receiver, whoever gets the mail in the end. */
  laneProvider(source: string, provider: string): string {
    return this.relay(source) ? anyProvider : provider
  }

  /** @param provider as `laneProvider` gives it */
  laneLimits(source: string, provider: string, site: string): CompleteLimits {
    const key = `${source}|${provider}|${site}`
    const known = this.limits.get(key)
    if (known) return known
    if (this.limits.size >= limit) this.limits.clear()
    const fresh = limitsOf(this.shaping, provider === anyProvider ? { source } : { source, provider, site })
    this.limits.set(key, fresh)
    return fresh
  }

  private unableSources(reach: Families): ReadonlySet<string> {
    const unable = [...this.families].filter(([id, families]) => !this.relay(id) && (families & reach) === 0)
    return new Set(unable.map(([id]) => id))
  }
}

const noSources: ReadonlySet<string> = new Set()

const hasQuietHours = ({ defaults, providers, sites, sources }: ShapingConfig): boolean => {
  const lanes = Object.values(providers).flatMap((provider) => Object.values(provider.sources ?? {}))
  const places = [defaults, ...lanes, ...[providers, sites, sources].flatMap((level) => Object.values(level))]
  return places.some(({ quiet_hours: spans }) => (spans?.length ?? 0) > 0)
}

const familiesOfSource = (source: EgressSource): Families => {
  if (!isRelay(source)) return source.ip.reduce((all, ip) => all | familyOf(ip), 0)
  return source.ip === undefined ? v4 | v6 : familyOf(source.ip)
}
