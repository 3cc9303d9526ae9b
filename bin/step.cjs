// How set-up talks and runs commands: one line per thing done, nothing where there is nothing to do, and every failure
// is one sentence that names the next step. Plain JavaScript: it runs before anything is installed.
'use strict'

const { spawnSync } = require('node:child_process')
const path = require('node:path')

const root = path.resolve(__dirname, '..')

/** A failure people can act on; printed without a stack. */
class SetupFailure extends Error {}

const say = (text) => process.stderr.write(`sluice: ${text}\n`)

/**
 * Runs a command to its end in the project's folder.
 * @param options.show true: its output goes to the terminal; else it is kept, and shown where the command fails
 * @throws SetupFailure with `next`, the sentence that says what to do
 */
const run = (command, args, { next, show = false, env = {} }) => {
  const done = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    stdio: show ? ['inherit', 2, 2] : 'pipe',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (done.status === 0) return
  if (done.signal) throw new SetupFailure(`stopped by ${done.signal}: ${command} ${args.join(' ')}`)
  const said = [done.stdout, done.stderr].filter(Boolean).join('').trimEnd()
  if (said) process.stderr.write(`${said}\n`)
  throw new SetupFailure(next)
}

/** Whether a command runs and ends with 0. */
const succeeds = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0

module.exports = { root, SetupFailure, say, run, succeeds }
