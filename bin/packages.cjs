// Node packages, exactly as the lock file says. What is installed is compared entry by entry with what is locked, so
// a fresh clone, a pulled lock file and a half-finished installation are all noticed, and nothing else costs time.
'use strict'

const { existsSync, readFileSync } = require('node:fs')
const path = require('node:path')
const { root, run, say } = require('./step.cjs')

const packagesIn = (file) => {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages
  } catch {
    return undefined // missing or torn: the same as not installed
  }
}

/** Why packages must be installed; undefined where they are as locked. Optional packages may be absent. */
const whyStale = () => {
  const locked = packagesIn('package-lock.json')
  const installed = packagesIn('node_modules/.package-lock.json')
  if (!installed) return 'node_modules is missing or incomplete'
  const wrong = Object.entries(locked).find(([place, entry]) => {
    if (!place.includes('node_modules/')) return false
    const have = installed[place]
    if (!have) return !entry.optional
    return have.version !== entry.version || have.integrity !== entry.integrity || !existsSync(path.join(root, place))
  })
  return wrong && `${wrong[0]} is not as locked`
}

const installPackages = () => {
  const why = whyStale()
  if (!why) return
  say(`installing node packages from the lock file (${why}); this takes a minute …`)
  const npm = process.env.npm_execpath
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []]
  run(command, [...args, 'ci', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], {
    next: 'node packages could not be installed: see npm’s message above; with a network and a registry, run `npm ci`.',
  })
}

module.exports = { installPackages }
