// What a request that fails is answered: a status, a stable code and a sentence, never a stack or an internal detail
// (RFC 9457 `application/problem+json`, with our code as the machine's part).

import { z } from 'zod'

import { errorCodes, SluiceError, type ErrorCode } from '@sluice/core/errors'

/** One complaint about a request: which key, and what is wrong with it. */
export interface Detail {
  readonly key: string
  readonly message: string
}

export type RequestCode = 'SLUICE_HTTP_BODY' | 'SLUICE_HTTP_QUERY'

/** A request that is not valid, with everything that is wrong with it. */
export class RequestError extends SluiceError {
  constructor(
    code: RequestCode,
    readonly details: readonly Detail[],
  ) {
    super(code, details.map(({ key, message }) => (key ? `${key}: ${message}` : message)).join('; '))
  }
}

const statuses: Partial<Record<ErrorCode, number>> = {
  SLUICE_HTTP_BODY: 400,
  SLUICE_HTTP_QUERY: 400,
  SLUICE_HTTP_UNAUTHORIZED: 401,
  SLUICE_HTTP_FORBIDDEN: 403,
  SLUICE_HTTP_NOT_FOUND: 404,
  SLUICE_HTTP_METHOD: 405,
  SLUICE_ROUTING_CONFLICT: 409,
  SLUICE_ACTION_OVER: 409,
  SLUICE_HTTP_TOO_LARGE: 413,
  SLUICE_HTTP_BUSY: 429,
  SLUICE_SQL_REFUSED: 403,
  SLUICE_SQL_FAILED: 400,
  SLUICE_SQL_LIMIT: 422,
  SLUICE_REDIS_AWAY: 503,
  SLUICE_CLICKHOUSE_AWAY: 503,
  SLUICE_JOURNAL: 503,
}

export const problemSchema = z
  .object({
    status: z.int().meta({ description: 'HTTP status' }),
    code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]).meta({ description: 'stable code' }),
    title: z.string().meta({ description: 'what the code means' }),
    message: z.string().meta({ description: 'what happened in this case' }),
    details: z.array(z.object({ key: z.string(), message: z.string() })).optional(),
    retry: z.boolean().meta({ description: 'whether trying again can help' }),
    request_id: z.string(),
  })
  .meta({ id: 'Problem' })
export type Problem = z.infer<typeof problemSchema>

/** The answer to anything thrown. What is not one of our errors is a fault of ours and said as such. */
export const problemOf = (thrown: unknown, requestId: string): Problem => {
  const error = thrown instanceof SluiceError ? thrown : new SluiceError('SLUICE_INTERNAL', 'see the log')
  const { says, retry } = errorCodes[error.code]
  return {
    status: statuses[error.code] ?? 500,
    code: error.code,
    title: says,
    message: error.message,
    ...(error instanceof RequestError && { details: [...error.details] }),
    retry,
    request_id: requestId,
  }
}
