// A mail on its way out of the queue: first inside its send_email hook, then perhaps parked, at last granted a lease.
// It answers a hook once, whatever happens.

import type { Choice } from '@sluice/core/admission/choice'
import { tagOf } from '@sluice/core/stream/tag'
import type { HMail, Lease } from 'haraka-plugin-sluice-host'

import type { Destination } from './destination'
import type { Waiting } from './lane/waiting'
import type { Move } from './parked/move'

/** Haraka's next() of a hook. */
export type Next = (code?: number, message?: unknown) => void

export interface CandidateOwner {
  /** The mail has a lease for its choice; the lease is the owner's to release. */
  granted(candidate: Candidate, lease: Lease): void
  /** The mail must leave Haraka's delivery queue until it is granted a lease. */
  parked(candidate: Candidate): void
}

export class Candidate implements Waiting {
  stream = ''
  destination: Destination | undefined
  choice: Choice | undefined
  /** What closes sources to this mail and not to others like it, as a word; empty = nothing. */
  bound = ''

  /** An operator has moved it: the pools of its stream do not count. */
  moved: Move | undefined

  constructor(
    private readonly owner: CandidateOwner,
    readonly hmail: HMail,
    private next: Next | undefined,
  ) {}

  get domain(): string {
    return this.hmail.todo.domain
  }

  get tenant(): string {
    return tagOf(this.hmail.todo.notes)?.tenant ?? ''
  }

  get queued(): number {
    return this.hmail.todo.queue_time
  }

  /** False while its send_email hook is running. */
  get isParked(): boolean {
    return this.next === undefined
  }

  grant(lease: Lease): void {
    this.owner.granted(this, lease)
  }

  park(): void {
    if (this.isParked) return
    this.next = undefined
    this.owner.parked(this)
  }

  /** It came out of the queue again, with a lease waiting for it. */
  resume(next: Next): void {
    this.next = next
  }

  /** Lets Haraka go on with it; does nothing where its hook has been answered. */
  proceed(code?: number, message?: unknown): void {
    const { next } = this
    this.next = undefined
    next?.(code, message)
  }
}
