// Lanes of one worker on a real Redis, with mails and connections that are made up: a test decides when a connection
// becomes idle or is closed. Ends with its test.

import { redisKeys } from '@sluice/core/redis/keys'
import { builtIn, type CompleteLimits } from '@sluice/core/shaping/limits'
import type { RedisServer } from '@sluice/run/redis'
import { laneKey, type Lease } from 'haraka-plugin-sluice-host'
import { expect, onTestFinished, vi } from 'vitest'

import { Lanes, type LanesParts } from '../../plugins/egress/lane/lanes'
import { ConfiguredRulings } from '../../plugins/egress/lane/ruling'
import type { Waiting } from '../../plugins/egress/lane/waiting'
import { RedisLink } from '../../plugins/egress/redis/link'

export class Mail implements Waiting {
  lease: Lease | undefined
  parked = false
  readonly tenant: string
  readonly stream: string
  readonly queued: number

  constructor(
    private readonly onGrant: (mail: Mail) => void = () => undefined,
    { tenant = 'acme', stream = 'bulk', queued = 0 } = {},
  ) {
    this.tenant = tenant
    this.stream = stream
    this.queued = queued
  }

  grant(lease: Lease): void {
    this.lease = lease
    this.onGrant(this)
  }

  park(): void {
    this.parked = true
  }
}

export interface Worker {
  readonly lanes: Lanes<Mail>
  readonly link: RedisLink
  /** Idle connections by lane. */
  readonly idle: Map<string, Lease[]>
  /** The mail's connection has carried it and is kept. */
  readonly keep: (source: string, provider: string, mail: Mail) => void
}

const silent = { notice: () => undefined, error: () => undefined }
let workers = 0

export const workerOn = async (
  server: RedisServer,
  limits: () => Partial<CompleteLimits>,
  parts: Partial<LanesParts> = {},
): Promise<Worker> => {
  const link = new RedisLink({ url: server.url }, silent)
  const idle = new Map<string, Lease[]>()
  let known: { readonly given: string; readonly limits: CompleteLimits } | undefined
  const limitsNow = (): CompleteLimits => {
    const given = JSON.stringify(limits())
    if (known?.given !== given) known = { given, limits: { ...builtIn, ...limits() } }
    return known.limits
  }
  const lanes = new Lanes<Mail>({
    link,
    keys: redisKeys(),
    log: silent,
    worker: `worker${++workers}`,
    now: Date.now,
    rulings: new ConfiguredRulings(limitsNow),
    shares: { tenant: () => 1, stream: () => 1, liking: () => 0 },
    idle: (lane) => idle.get(lane)?.length ?? 0,
    takeIdle: (lane) => idle.get(lane)?.pop(),
    returnLease: (lease) => lease.release(),
    ...parts,
  })
  onTestFinished(() => {
    lanes.stop()
    link.close()
  })
  link.open()
  lanes.start()
  await vi.waitFor(() => expect(link.present).toBe(true), { interval: 5 })
  const keep = (source: string, provider: string, { lease }: Mail): void => {
    const lane = laneKey(source, provider)
    if (lease) idle.set(lane, [...(idle.get(lane) ?? []), lease])
    lanes.connectionIdle(lane)
  }
  return { lanes, link, idle, keep }
}
