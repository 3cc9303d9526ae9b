#!/usr/bin/env node
// The one door: `npm start`, `npm run demo`, `npm test`, `npm run setup`. Sets up what is missing, then hands over to
// the compiled program. Only this file may be read by an old Node, so it uses nothing new before the version is known.
'use strict'

var needed = [20, 19]
var have = process.versions.node.split('.').map(Number)
if (have[0] < needed[0] || (have[0] === needed[0] && have[1] < needed[1])) {
  console.error('sluice: Node ' + needed.join('.') + ' or later is needed; this is ' + process.version + '.')
  process.exit(1)
}

const { setUp } = require('./setup.cjs')
const { say, SetupFailure } = require('./step.cjs')

const commands = {
  setup: { ownRedis: false, run: () => say('everything is there; `npm start`, `npm run demo` or `npm test`') },
  start: { ownRedis: false, run: (args) => require('../run/dist/start.js').main(args) },
  demo: { ownRedis: true, run: (args) => require('../run/dist/demo/main.js').main(args) },
  test: { ownRedis: true, run: (args) => require('./tests.cjs').main(args) },
}

const main = async ([name, ...args]) => {
  const command = Object.keys(commands).includes(name) && commands[name]
  if (!command) throw new SetupFailure(`usage: node bin/run.cjs ${Object.keys(commands).join('|')} [options]`)
  await setUp(command)
  return command.run(args)
}

/** Errors that say by themselves what is wrong; all others are faults and shown with their stack. */
const isForPeople = (error) =>
  error instanceof SetupFailure ||
  ['Trouble', 'SluiceError'].includes(error.name) ||
  String(error.code).startsWith('ERR_PARSE_ARGS')

main(process.argv.slice(2)).catch((error) => {
  say(isForPeople(error) ? error.message : error.stack)
  process.exitCode = 1
})
