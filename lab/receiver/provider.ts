// One provider: the state all its MX hosts share. Asks its behaviours in the order of the catalogue, knows who is
// connected, and can be changed while mail flows; what did not change keeps its state.

import { z } from 'zod'

import type { Behaviour, Decision, Situation, Stage } from '../behaviour/behaviour'
import { behaviourSchema, catalogue, type BehaviourName, type BehaviourOptions } from '../behaviour/catalogue'
import { latencyOf, latencySchema, type Latency, type LatencyOptions } from '../behaviour/latency'
import { Listing } from '../behaviour/listing'
import { compileReply, type ReplyTemplate } from '../behaviour/reply'
import { serviceSchema, type ProviderSpec, type ServiceOptions } from '../internet/schema'

/** A change of one provider; `null` takes a behaviour away, what is not named stays. */
const changeSchema = z.strictObject({
  service: serviceSchema.partial().optional(),
  latency: latencySchema.optional(),
  behaviour: z
    .strictObject(
      Object.fromEntries(
        Object.entries(behaviourSchema.shape).map(([name, shape]) => [name, shape.nullable().optional()]),
      ),
    )
    .optional(),
})
export interface ProviderChange {
  readonly service?: Partial<ServiceOptions>
  readonly latency?: LatencyOptions
  readonly behaviour?: Partial<Record<BehaviourName, unknown>>
}

interface Service extends ServiceOptions {
  readonly greet: ReplyTemplate
  readonly accept: ReplyTemplate
  readonly acceptRecipient: ReplyTemplate
}

const compileService = (options: ServiceOptions): Service => ({
  ...options,
  greet: compileReply(options.greeting),
  accept: compileReply(options.accepted),
  acceptRecipient: compileReply(options.recipient),
})

export class Provider {
  readonly listing = new Listing()
  service: Service
  private latency: Latency
  private options: BehaviourOptions
  private behaviours = new Map<BehaviourName, Behaviour>()
  private byStage = new Map<Stage, Behaviour[]>()
  private learners: Behaviour[] = []
  private readonly present = new Map<string, number>()

  constructor(
    readonly id: string,
    private readonly spec: ProviderSpec,
    private readonly seed: string,
    private readonly clock: () => number,
  ) {
    this.service = compileService(spec.service)
    this.latency = latencyOf(spec.latency, seed, id)
    this.options = spec.behaviour
    this.build(() => true)
  }

  /** The first decision stands; undefined lets the client pass. */
  decide(stage: Stage, situation: Situation): Decision | undefined {
    for (const behaviour of this.byStage.get(stage) ?? []) {
      const decision = behaviour.decide(stage, situation)
      if (decision) {
        for (const learner of this.learners) learner.learn?.(decision, situation)
        return decision
      }
    }
    return undefined
  }

  /** Milliseconds before the answer at this stage; 0 = at once. */
  delay(stage: Stage): number {
    return this.latency(stage)
  }

  /** Admitted connections of the client. */
  open(ip: string): number {
    return this.present.get(ip) ?? 0
  }

  enter(ip: string): void {
    this.present.set(ip, this.open(ip) + 1)
  }

  leave(ip: string): void {
    const left = this.open(ip) - 1
    if (left > 0) this.present.set(ip, left)
    else this.present.delete(ip)
  }

  /**
   * Takes effect with the next decision; a changed behaviour starts anew.
   * @throws ZodError where the change is not valid; nothing is changed then
   */
  change(raw: unknown): void {
    const change = changeSchema.parse(raw) as ProviderChange
    const named = new Set(Object.keys(change.behaviour ?? {}))
    const wanted = Object.entries({ ...this.options, ...change.behaviour }).filter(([, value]) => value !== null)
    const options = behaviourSchema.parse(Object.fromEntries(wanted))
    const service = serviceSchema.parse({ ...servicePart(this.service), ...change.service })

    this.options = options
    this.build((name) => named.has(name))
    if (change.service) this.service = compileService(service)
    if (change.latency) this.latency = latencyOf(change.latency, this.seed, this.id)
  }

  /** As at the start; connections stay. */
  reset(): void {
    this.listing.clear()
    this.service = compileService(this.spec.service)
    this.latency = latencyOf(this.spec.latency, this.seed, this.id)
    this.options = this.spec.behaviour
    this.build(() => true)
  }

  /** What is in force, as it could stand in internet.yaml. */
  describe(): { readonly service: ServiceOptions; readonly behaviour: BehaviourOptions } {
    return { service: servicePart(this.service), behaviour: this.options }
  }

  private build(anew: (name: BehaviourName) => boolean): void {
    const surroundings = { seed: this.seed, provider: this.id, listing: this.listing, since: this.clock() }
    const built = new Map<BehaviourName, Behaviour>()
    for (const [name, kind] of catalogue) {
      const options: unknown = this.options[name]
      if (options === undefined) continue
      const kept = anew(name) ? undefined : this.behaviours.get(name)
      built.set(name, kept ?? kind.create(options, surroundings))
    }
    this.behaviours = built
    this.learners = [...built.values()].filter((behaviour) => behaviour.learn !== undefined)
    this.byStage = new Map()
    for (const behaviour of built.values()) {
      for (const stage of behaviour.stages) {
        const list = this.byStage.get(stage)
        if (list) list.push(behaviour)
        else this.byStage.set(stage, [behaviour])
      }
    }
  }
}

const servicePart = ({ greet: _g, accept: _a, acceptRecipient: _r, ...options }: Service): ServiceOptions => options
