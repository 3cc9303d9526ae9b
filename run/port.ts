// Free TCP ports of loopback addresses. Nobody keeps a port free between asking and using it; whoever uses one is ready
// to be told that it is taken.

import { createServer, type AddressInfo } from 'node:net'

/** Listens and closes again; the port, or undefined where it is taken or not ours to use. */
const tryPort = (port: number, host: string): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, host, () => {
      const { port: found } = server.address() as AddressInfo
      server.close(() => resolve(found))
    })
  })

/** A port that is free now. */
export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  const port = await tryPort(0, host)
  if (port === undefined) throw new Error(`no TCP port of ${host} can be opened`)
  return port
}

/** `wanted` where it is free, else another one. */
export const portNear = async (wanted: number, host = '127.0.0.1'): Promise<number> =>
  (await tryPort(wanted, host)) ?? freePort(host)
