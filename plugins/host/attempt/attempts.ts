// The attempts under way. An attempt is settled exactly once, when every recipient of its mail has exactly one result;
// it is found by its mail, and by the mail's uuid for the items Haraka splits off when recipients fare differently.
// A mail that is parked, delayed or begun anew leaves no attempt behind, and its lease is given back.

import { Attached } from '@sluice/core/transient/attached'
import { TransientMap } from '@sluice/core/transient/transient-map'

import type { Attempt, Evidence, HMail, RecipientResult, Settlement } from '../contract'
import { uuid7 } from '../uuid'

interface Open {
  readonly attempt: Attempt
  /** Recipients without a result; an address stands as often as the envelope names it. */
  readonly pending: string[]
  readonly results: RecipientResult[]
  readonly tries: Evidence[]
  /** What the client saw for each recipient, kept until Haraka has said what it makes of it. */
  readonly seen: Map<string, Evidence>
}

export type Listener = (settlement: Settlement) => void

export class Attempts {
  private readonly byMail = new Attached<HMail, Open>()
  private readonly byUuid = new TransientMap<string, Open>()
  private readonly listeners: Listener[] = []

  constructor(
    private readonly now: () => number,
    /** Called with a listener's exception; a listener never stops a delivery. */
    private readonly complain: (thrown: unknown) => void,
  ) {}

  /** Attempts begun and not yet settled. */
  get size(): number {
    return this.byUuid.size
  }

  onSettled(listener: Listener): void {
    this.listeners.push(listener)
  }

  begin(hmail: HMail): Attempt {
    this.forget(hmail)
    const started = this.now()
    const attempt: Attempt = { id: uuid7(started), hmail, started, number: hmail.num_failures + 1 }
    const open: Open = {
      attempt,
      pending: hmail.todo.rcpt_to.map((recipient) => recipient.address),
      results: [],
      tries: [],
      seen: new Map(),
    }
    this.byMail.set(hmail, open)
    this.byUuid.set(hmail.todo.uuid, open)
    return attempt
  }

  of(hmail: HMail): Attempt | undefined {
    return this.find(hmail)?.attempt
  }

  /** Notes an MX host that failed before the attempt went on to another one. */
  tried(hmail: HMail, evidence: Evidence): void {
    this.find(hmail)?.tries.push(evidence)
  }

  /** Notes what the client saw for a recipient. */
  saw(hmail: HMail, address: string, evidence: Evidence): void {
    this.find(hmail)?.seen.set(address, evidence)
  }

  sight(hmail: HMail, address: string): Evidence | undefined {
    return this.find(hmail)?.seen.get(address)
  }

  /** Notes the result of one recipient; the last one settles the attempt. A second result for a recipient is ignored. */
  result(hmail: HMail, result: RecipientResult): void {
    const open = this.find(hmail)
    const index = open?.pending.indexOf(result.address) ?? -1
    if (!open || index < 0) return
    open.pending.splice(index, 1)
    open.results.push(result)
    if (open.pending.length === 0) this.settle(open)
  }

  /** Recipients of the attempt that have no result yet. */
  pendingOf(hmail: HMail): readonly string[] {
    return this.find(hmail)?.pending ?? []
  }

  /** The attempt settles with `tries` and no results: the mail goes back into the queue. */
  reroute(hmail: HMail, tries: readonly Evidence[]): void {
    const open = this.find(hmail)
    if (!open) return
    open.results.length = 0
    open.tries.splice(0, Infinity, ...tries)
    this.settle(open)
  }

  /** The attempt ends without a settlement: the mail was parked or delayed before anything was tried. */
  forget(hmail: HMail): void {
    const open = this.find(hmail)
    if (!open) return
    this.close(open)
    open.attempt.route?.lease.release()
  }

  private find(hmail: HMail): Open | undefined {
    return this.byMail.get(hmail) ?? this.byUuid.get(hmail.todo.uuid)
  }

  private close({ attempt }: Open): void {
    this.byMail.delete(attempt.hmail)
    this.byUuid.delete(attempt.hmail.todo.uuid)
  }

  private settle(open: Open): void {
    this.close(open)
    const settlement: Settlement = {
      attempt: open.attempt,
      at: this.now(),
      recipients: open.results,
      tries: open.tries,
    }
    for (const listener of this.listeners) {
      try {
        listener(settlement)
      } catch (thrown) {
        this.complain(thrown)
      }
    }
  }
}
