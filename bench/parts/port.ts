// A port for a server that cannot be asked which one it got, and the wait until it answers there.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

import type { Child } from './process'

export const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resolves when somebody accepts connections there; throws with what the process said if it ends before. */
export const answers = async (port: number, child: Child): Promise<void> => {
  for (;;) {
    if (!child.running) throw new Error(child.output.join('\n'))
    const socket = connect(port, '127.0.0.1')
    const there = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false)
    socket.on('error', () => undefined)
    socket.destroy()
    if (there) return
    await pause(20)
  }
}
