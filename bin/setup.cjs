// Everything between a fresh clone and the first start: Node's version, node packages, redis-server, compilation.
// Safe to repeat: what is there is left alone, without a word.
'use strict'

const { existsSync } = require('node:fs')
const path = require('node:path')
const { installPackages } = require('./packages.cjs')
const { installRedis } = require('./redis.cjs')
const { root, run, say } = require('./step.cjs')

const compile = () => {
  if (!existsSync(path.join(root, 'run/dist'))) say('compiling …')
  run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-b'], {
    next: 'the sources do not compile: see the messages above.',
  })
}

/** @param options.ownRedis a redis-server is needed even where another Redis can be reached */
const setUp = async ({ ownRedis }) => {
  installPackages()
  await installRedis({ own: ownRedis })
  compile()
}

module.exports = { setUp }
