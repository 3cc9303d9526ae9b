// A mail that wants to leave by a lane, and the lease it is granted.

import type { Lease } from 'haraka-plugin-sluice-host'

import type { WarmupRule } from './ruling'

/** A mail that wants a lease. */
export interface Waiting {
  /** Whose mail it is, what kind, and since when it is queued (ms since 1970): they decide who is next. */
  readonly tenant: string
  readonly stream: string
  readonly queued: number
  /** Called once, with a lease that is now the mail's to release. */
  grant(lease: Lease): void
  /** There is no room for now: the mail is not to block anybody while it waits. Called at most once. */
  park(): void
}

/** A message that may go. */
export interface Admitted {
  /** performance.now() */
  readonly at: number
  /** The allowance it was taken of. */
  readonly warmup: WarmupRule | undefined
}

/** What a lane does for its leases. */
export interface LeaseOwner {
  /** A message is about to be sent; `admitted` is undefined where none was admitted for it. */
  mailDue(admitted: Admitted | undefined): Promise<void> | undefined
  /** The connection is closed, or will not be opened. `unsent`: what was admitted to it and never sent. */
  freed(id: string, unsent: Admitted | undefined): void
}

/** The right to one connection. While the connection is kept alive one message after another is admitted to it. */
export class HeldLease implements Lease {
  private admitted: Admitted | undefined
  private released = false

  constructor(
    readonly id: string,
    private readonly owner: LeaseOwner,
  ) {}

  admit(admitted: Admitted): void {
    this.admitted = admitted
  }

  beforeMail(): Promise<void> | undefined {
    return this.owner.mailDue(this.take())
  }

  /** The message admitted to the other one goes by this one's connection. */
  takeOver(other: Lease): void {
    if (other instanceof HeldLease) this.admitted = other.take()
  }

  release(): void {
    if (this.released) return
    this.released = true
    this.owner.freed(this.id, this.take())
  }

  private take(): Admitted | undefined {
    const { admitted } = this
    this.admitted = undefined
    return admitted
  }
}
