// Which resolvers to ask: those of the configuration, or the system's.

import { getServers } from 'node:dns'
import { isIP, isIPv6 } from 'node:net'

import { SluiceError } from '@sluice/core/errors'

import type { Server } from './exchange'

const defaultPort = 53

/**
 * Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`.
 * @throws SluiceError SLUICE_CONFIG_INVALID
 */
export const readServer = (text: string): Server => {
  if (isIPv6(text)) return { address: text, port: defaultPort }
  const [, address = '', port] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(text) ?? []
  const number = port === undefined ? defaultPort : Number(port)
  if (!isIP(address) || number < 1 || number > 65_535) {
    throw new SluiceError('SLUICE_CONFIG_INVALID', `resolvers: ${text} is not ip or ip:port`)
  }
  return { address, port: number }
}

/** The system's resolvers (resolv.conf), read when it is called. */
export const systemServers = (): readonly Server[] => getServers().map(readServer)
