// The sidecar's HTTP API, as the demo and the tests use it.

import { readToken } from '@sluice/sidecar/http/tokens'
import { z } from 'zod'

import type { Standing } from './summary/figures'

/** An answer that is not the one hoped for. */
export class ApiRefusal extends Error {
  constructor(
    what: string,
    readonly status: number,
    readonly answer: string,
  ) {
    super(`${what}: ${status} ${answer.slice(0, 1000)}`)
  }
}

export interface Weights {
  readonly version: number
  readonly standings: readonly Standing[]
}

const weightsSchema = z.object({
  version: z.number(),
  lanes: z.array(
    z.object({
      pool: z.string(),
      provider: z.string(),
      weights: z.array(z.object({ source: z.string(), weight: z.number(), factors: z.object({ base: z.number() }) })),
    }),
  ),
})
const timeoutMs = 10_000

export class Api {
  private token: string | undefined

  /** Both may change when the sidecar is started again. */
  constructor(
    private readonly base: () => string,
    private readonly tokenFile: () => string,
  ) {}

  /** Rows of one read-only query. @throws ApiRefusal, ZodError */
  async sql<S extends z.ZodType>(query: string, row: S): Promise<z.output<S>[]> {
    const text = await this.send('POST', '/v1/sql', { sql: query, format: 'jsonl' })
    const lines = text.split('\n').filter((line) => line !== '')
    return z.array(row).parse(lines.map((line): unknown => JSON.parse(line)))
  }

  async weights(): Promise<Weights> {
    const { version, lanes } = weightsSchema.parse(await this.ask('GET', '/v1/weights'))
    const standings = lanes.flatMap(({ pool, provider, weights }) =>
      weights.map(({ source, weight, factors: { base } }) => ({
        pool,
        provider,
        source,
        standing: base > 0 ? weight / base : 0,
      })),
    )
    return { version, standings }
  }

  /** What a route answers in JSON. @throws ApiRefusal where the answer is not 2xx */
  async ask(method: string, route: string, body?: object): Promise<unknown> {
    const text = await this.send(method, route, body)
    return text === '' ? undefined : JSON.parse(text)
  }

  private async send(method: string, route: string, body?: object): Promise<string> {
    this.token ??= await readToken(this.tokenFile(), 'admin')
    const response = await fetch(this.base() + route, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const text = await response.text()
    if (!response.ok) throw new ApiRefusal(`${method} ${route}`, response.status, text)
    return text
  }
}
