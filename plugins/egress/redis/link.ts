// Egress' link to Redis: host's, with the lease scripts.

import type { Redis } from 'ioredis'

import { RedisLink as Link, type LinkLog, type LinkOptions } from 'haraka-plugin-sluice-host'

import { readScripts, type ScriptCommands } from './scripts'

export type { LinkLog } from 'haraka-plugin-sluice-host'
type Commands = Redis & ScriptCommands

export class RedisLink extends Link<Commands> {
  constructor(options: Pick<LinkOptions, 'url' | 'patienceMs'>, log: LinkLog) {
    super({ ...options, scripts: readScripts(), meanwhile: 'local limits' }, log)
  }
}
