// Redis on this machine: found, or installed from the system's packages where we may, or one sentence saying what to
// do. With REDIS_URL set nothing is needed for `npm start`; the demo and the tests always run a Redis of their own.
'use strict'

const { connect } = require('node:net')
const { run, say, succeeds, SetupFailure } = require('./step.cjs')

const installed = () => succeeds('redis-server', ['--version'])

/** Whether a Redis answers on its usual port of this machine. */
const answers = () =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: 6379, timeout: 500 })
    const finish = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.on('connect', () => socket.write('PING\r\n'))
    socket.on('data', () => finish(true)) // +PONG, or an error of a Redis that wants a password
    socket.on('timeout', () => finish(false))
    socket.on('error', () => finish(false))
  })

/** The words before apt-get that give us the right to install; undefined where nothing does. */
const privilege = () => {
  if (!succeeds('apt-get', ['--version'])) return undefined
  if (process.getuid?.() === 0) return []
  return succeeds('sudo', ['-n', 'true']) ? ['sudo', '-n'] : undefined
}

/** @param own true: a Redis of our own is needed, one that runs somewhere will not do */
const installRedis = async ({ own }) => {
  if (installed()) return
  if (!own && (process.env.REDIS_URL || (await answers()))) return
  const words = privilege()
  const advice = own
    ? 'redis-server is needed: install it (Debian: `apt-get install redis-server`).'
    : 'Redis is needed: install redis-server (Debian: `apt-get install redis-server`) or set REDIS_URL.'
  if (!words) throw new SetupFailure(advice)
  say('installing redis-server (apt-get) …')
  const apt = (...args) => {
    const [command, ...rest] = [...words, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', ...args]
    run(command, rest, { next: `apt-get failed (see above). ${advice}` })
  }
  apt('update')
  apt('install', '-y', '--no-install-recommends', 'redis-server')
}

module.exports = { installRedis }
