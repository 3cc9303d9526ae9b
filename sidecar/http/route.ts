// A route, declared once: what it takes, who may call it, what it answers. The server checks requests by it, the
// OpenAPI description is made from it, and the compiler holds the handler to it.

import { Readable } from 'node:stream'

import { z } from 'zod'

import type { Scope, Token } from './tokens'

export interface Call<P, Q, B> {
  readonly params: P
  readonly query: Q
  readonly body: B
  /** Absent for routes that anybody may call. */
  readonly token: Token | undefined
  readonly requestId: string
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal
}

/** An answer that is not JSON. */
export class Raw {
  constructor(
    readonly type: string,
    readonly content: string | Readable,
    readonly status = 200,
  ) {}
}

/** The body of a route that takes it `raw`: as it comes, to be read once. */
export const rawBody = z.instanceof(Readable)

/** An answer with another status than the route's. */
export class Status<T> {
  constructor(
    readonly status: number,
    readonly value: T,
  ) {}
}

export interface RouteParts<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType> {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** OpenAPI form, `/v1/sources/{id}/suspend`. */
  readonly path: string
  /** `public`: without a token. */
  readonly scope: Scope | 'public'
  readonly name: string
  readonly says: string
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  /** Media types of a body that is not JSON; `body` is `rawBody` then. */
  readonly raw?: readonly string[]
  readonly answer: A
  readonly status?: number
  /** Other media types than JSON that it can answer. */
  readonly types?: readonly string[]
  readonly handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<z.input<A> | Raw | Status<z.input<A>>>
}

export interface Route extends Omit<RouteParts<z.ZodType, z.ZodType, z.ZodType, z.ZodType>, 'handle'> {
  readonly handle: (call: Call<unknown, unknown, unknown>) => Promise<unknown>
}

export const route = <
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
  A extends z.ZodType = z.ZodUnknown,
>(
  parts: RouteParts<P, Q, B, A>,
  // The server hands a handler exactly what the schemas beside it made, so the types may be forgotten here.
): Route => parts as unknown as Route
