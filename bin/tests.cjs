// `npm test`: the stages in order, from the cheapest to the dearest; the first that fails ends the run and is named.
// The last line is `N passed, N failed, N skipped`: vitest's counts, and one failure for a stage that is no test.
// `npm test -- unit` runs the named stages only.
'use strict'

const { spawnSync } = require('node:child_process')
const { mkdirSync, readFileSync, rmSync } = require('node:fs')
const { availableParallelism } = require('node:os')
const path = require('node:path')
const { root, say, SetupFailure } = require('./step.cjs')

const tool = (file) => path.join(root, 'node_modules', file)
const check = (name, file, ...args) => ({ name, file, args })
const tests = (name, ...args) => ({
  name,
  file: 'vitest/vitest.mjs',
  args: ['run', '--project', name, ...args],
  counts: true,
})

// `build` has been done by the set-up and is repeated here so that it is a stage with a name.
const stages = [
  check('build', 'typescript/bin/tsc', '-b'),
  check('types', 'typescript/bin/tsc', '-p', 'tsconfig.check.json'),
  check('lint', 'eslint/bin/eslint.js', '.'),
  check('format', 'prettier/bin/prettier.cjs', '--check', '.', '--log-level', 'warn'),
  check(
    'import rules',
    'dependency-cruiser/bin/dependency-cruise.mjs',
    ...'core plugins sidecar lab run'.split(' '),
    '--config',
    '.dependency-cruiser.cjs',
  ),
  check('unused', 'knip/bin/knip.js'),
  tests('unit'),
  // Most of their time is waiting for other processes, so more of them than cores.
  tests('integration', `--maxWorkers=${availableParallelism() + 1}`),
  tests('e2e'),
]

const countsOf = (file) => {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'))
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests,
      skipped: report.numPendingTests + report.numTodoTests,
    }
  } catch {
    return { passed: 0, failed: 0, skipped: 0 } // vitest did not get as far as a report; its exit code counts
  }
}

/** Runs one stage; its output goes to the terminal. */
const runStage = ({ name, file, args, counts }) => {
  const report = path.join(root, 'var/test', `${name}.json`)
  rmSync(report, { force: true })
  const reporting = counts ? ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`] : []
  const { status, signal } = spawnSync(process.execPath, [tool(file), ...args, ...reporting], {
    cwd: root,
    stdio: 'inherit',
  })
  const result = counts ? countsOf(report) : { passed: 0, failed: 0, skipped: 0 }
  const good = status === 0
  if (!good && result.failed === 0) result.failed = 1
  return { good, signal, ...result }
}

const main = async (names) => {
  const unknown = names.find((name) => !stages.some((stage) => stage.name === name))
  if (unknown)
    throw new SetupFailure(`no stage is named ${unknown}; there are: ${stages.map((s) => s.name).join(', ')}`)
  mkdirSync(path.join(root, 'var/test'), { recursive: true })
  process.on('SIGINT', () => undefined) // the stage gets it too, ends, and we say how far it went

  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const stage of stages.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const begun = Date.now()
    say(`--- ${stage.name}`)
    const result = runStage(stage)
    for (const key of Object.keys(total)) total[key] += result[key]
    const seconds = ((Date.now() - begun) / 1000).toFixed(1)
    say(
      `--- ${stage.name}: ${result.good ? 'good' : `FAILED${result.signal ? ` (${result.signal})` : ''}`}, ${seconds} s`,
    )
    if (result.good) continue
    process.exitCode = 1
    break
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
}

module.exports = { main }
