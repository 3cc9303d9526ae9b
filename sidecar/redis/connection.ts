// The sidecar's connection to Redis. Commands fail at once while Redis is away instead of queueing up, so that a
// change asked for over HTTP is either made now or answered 503; the connection comes back by itself.

import { Redis } from 'ioredis'

import { messageOf, SluiceError } from '@sluice/core/errors'

import type { Log } from '../log'

const commandTimeoutMs = 2000
const longestPauseMs = 2000

/** Never rejects: a Redis that is away comes later. */
export const connectRedis = (url: string, log: Log): Redis => {
  const redis = new Redis(url, {
    connectTimeout: commandTimeoutMs,
    commandTimeout: commandTimeoutMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResubscribe: true,
    retryStrategy: (attempt) => Math.min(longestPauseMs, 50 * attempt),
  })
  let away = true
  let said: string | undefined
  redis.on('ready', () => {
    if (away) log.info({}, 'Redis answers')
    away = false
    said = undefined
  })
  redis.on('reconnecting', () => {
    if (!away) log.warn({}, 'Redis is away')
    away = true
  })
  redis.on('error', (error: unknown) => {
    const message = messageOf(error)
    if (message !== said) log.warn({ error: message }, 'Redis')
    said = message
  })
  return redis
}

/**
 * What a Redis command threw, as one of our errors: an answer that is an error (wrong type, no memory) is about
 * content, everything else means that Redis did not answer.
 */
export const redisFault = (error: unknown, doing: string): SluiceError => {
  if (error instanceof SluiceError) return error
  const refused =
    error instanceof Error &&
    error.name === 'ReplyError' &&
    !/^(LOADING|READONLY|CLUSTERDOWN|MASTERDOWN)/.test(error.message)
  return new SluiceError(refused ? 'SLUICE_REDIS_CONTENT' : 'SLUICE_REDIS_AWAY', `${doing}: ${messageOf(error)}`, {
    cause: error,
  })
}
