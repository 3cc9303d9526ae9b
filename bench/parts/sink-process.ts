// A receiver for benchmarks, as a process of its own: takes everything, with TLS and PIPELINING, over a line with a
// round trip time of its own. Arguments: round trip in ms, `tls` or `plain`, and `order` where it is to follow mail to
// userN@closed.test: how many N it has seen, how many of them again, and how far they came behind a later one, at most and
// all together.
// Says its port, then its counters when they change: messages taken, connections open now and at most.

import { readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import path from 'node:path'
import { createSecureContext, TLSSocket } from 'node:tls'

const roundTripMs = Number(process.argv[2] ?? 0)
const withTls = process.argv[3] === 'tls'
const folder = path.join(__dirname, '../../../lab/tls')
const secureContext = createSecureContext({
  key: readFileSync(path.join(folder, 'lab.key')),
  cert: readFileSync(path.join(folder, 'lab.crt')),
})

const seen = process.argv[4] === 'order' ? new Set<number>() : undefined
let again = 0
let latest = -1
let furthestBehind = 0
let sumBehind = 0

const follow = (line: string): void => {
  const number = Number(/user(\d+)@closed\.test/.exec(line)?.[1] ?? -1)
  if (number < 0 || !seen) return
  if (seen.has(number)) again++
  seen.add(number)
  latest = Math.max(latest, number)
  furthestBehind = Math.max(furthestBehind, latest - number)
  sumBehind += latest - number
}

let messages = 0
let open = 0
let mostOpen = 0
let connections = 0

const serve = (tcp: Socket): void => {
  open++
  connections++
  mostOpen = Math.max(mostOpen, open)
  tcp.setNoDelay(true)
  tcp.on('error', () => undefined)
  tcp.on('close', () => open--)
  let socket: Socket = tcp
  let data = false
  let rest: Buffer = Buffer.alloc(0)
  const say = (text: string): void => {
    if (socket.writable) socket.write(`${text}\r\n`)
  }
  const offers = (): string =>
    [
      '250-sink',
      '250-PIPELINING',
      '250-8BITMIME',
      '250-SIZE 50000000',
      ...(withTls && socket === tcp ? ['250-STARTTLS'] : []),
      '250 HELP',
    ].join('\r\n')
  const command = (line: string): void => {
    const verb = line.slice(0, 4).toUpperCase()
    if (seen && verb === 'RCPT') follow(line)
    if (verb === 'EHLO') say(offers())
    else if (verb === 'STAR') secure()
    else if (verb === 'DATA') {
      data = true
      say('354 go on')
    } else if (verb === 'QUIT') {
      say('221 bye')
      socket.end()
    } else say('250 2.0.0 ok')
  }
  const secure = (): void => {
    say('220 go ahead')
    tcp.removeAllListeners('data')
    socket = new TLSSocket(tcp, { isServer: true, secureContext })
    socket.on('error', () => undefined)
    hear(socket)
  }
  const take = (chunk: Buffer): void => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    for (;;) {
      if (data) {
        const end = rest.indexOf('\r\n.\r\n')
        if (end < 0) {
          rest = rest.subarray(Math.max(0, rest.length - 4))
          return
        }
        rest = rest.subarray(end + 5)
        data = false
        messages++
        say('250 2.0.0 taken')
      } else {
        const end = rest.indexOf('\n')
        if (end < 0) return
        const line = rest.toString('latin1', 0, end)
        rest = rest.subarray(end + 1)
        command(line)
      }
    }
  }
  const hear = (on: Socket): void => {
    on.on('data', take)
  }
  hear(tcp)
  say('220 sink ESMTP')
}

/** Passes everything on, half a round trip later, in order. */
const delayed = (from: Socket, to: Socket): void => {
  from.setNoDelay(true)
  from.on('error', () => to.destroy())
  from.on('data', (chunk: Buffer) => setTimeout(() => to.writable && to.write(chunk), roundTripMs / 2))
  from.on('end', () => setTimeout(() => to.end(), roundTripMs / 2))
}

const inner = createServer(serve)
inner.listen(0, '127.0.0.1', () => {
  const { port } = inner.address() as AddressInfo
  if (roundTripMs === 0) {
    console.log(`PORT ${port}`)
    return
  }
  const outer = createServer((socket) => {
    const onward = connect(port, '127.0.0.1')
    delayed(socket, onward)
    delayed(onward, socket)
  })
  outer.listen(0, '127.0.0.1', () => console.log(`PORT ${(outer.address() as AddressInfo).port}`))
})

let told = ''
setInterval(() => {
  const order = seen ? ` SEEN ${seen.size} AGAIN ${again} BEHIND ${furthestBehind} SUM ${sumBehind}` : ''
  const now = `MESSAGES ${messages} CONNECTIONS ${connections} MOST ${mostOpen}${order}`
  if (now !== told) console.log(now)
  told = now
}, 10)
