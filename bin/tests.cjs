// `npm test`: the stages in order. Those that only read are run beside each other, as many as there are cores, each with
// its output in one piece; those with processes and clocks of their own have the machine for themselves, one after the
// other. A stage that fails ends the run and is named.
// The last line is `N passed, N failed, N skipped`: vitest's counts, and one failure for a stage that is no test.
// `npm test -- unit` runs the named stages only.
'use strict'

const { spawn } = require('node:child_process')
const { once } = require('node:events')
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

// The longest first. `build` has been done by the set-up and is repeated here so that it is a stage with a name.
const reading = [
  check('lint', 'eslint/bin/eslint.js', '.'),
  check('build', 'typescript/bin/tsc', '-b'),
  check('types', 'typescript/bin/tsc', '-p', 'tsconfig.check.json'),
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
]
const running = [
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

/** Runs one stage; `together`: others run beside it, so its output is shown when it ends. */
const runStage = async ({ name, file, args, counts }, together) => {
  const begun = Date.now()
  const report = path.join(root, 'var/test', `${name}.json`)
  rmSync(report, { force: true })
  const reporting = counts ? ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`] : []
  if (!together) say(`--- ${name}`)
  const child = spawn(process.execPath, [tool(file), ...args, ...reporting], {
    cwd: root,
    stdio: ['ignore', together ? 'pipe' : 'inherit', together ? 'pipe' : 'inherit'],
  })
  const output = []
  child.stdout?.on('data', (chunk) => output.push(chunk))
  child.stderr?.on('data', (chunk) => output.push(chunk))
  const [status, signal] = await once(child, 'close')
  if (together) say(`--- ${name}`)
  process.stdout.write(Buffer.concat(output))
  const result = counts ? countsOf(report) : { passed: 0, failed: 0, skipped: 0 }
  const good = status === 0
  if (!good && result.failed === 0) result.failed = 1
  const seconds = ((Date.now() - begun) / 1000).toFixed(1)
  say(`--- ${name}: ${good ? 'good' : `FAILED${signal ? ` (${signal})` : ''}`}, ${seconds} s`)
  return { good, ...result }
}

/** Runs the stages, so many at a time; after a failure none is begun. */
const runStages = async (stages, atATime, total) => {
  const left = [...stages]
  const work = async () => {
    for (let stage = left.shift(); stage; stage = left.shift()) {
      const result = await runStage(stage, atATime > 1)
      for (const key of Object.keys(total)) total[key] += result[key]
      if (!result.good) left.length = 0
    }
  }
  await Promise.all(Array.from({ length: atATime }, work))
  return total.failed === 0
}

const main = async (names) => {
  const all = [...reading, ...running].map(({ name }) => name)
  const unknown = names.find((name) => !all.includes(name))
  if (unknown) throw new SetupFailure(`no stage is named ${unknown}; there are: ${all.join(', ')}`)
  mkdirSync(path.join(root, 'var/test'), { recursive: true })
  process.on('SIGINT', () => undefined) // the stage gets it too, ends, and we say how far it went

  const wanted = ({ name }) => names.length === 0 || names.includes(name)
  const total = { passed: 0, failed: 0, skipped: 0 }
  const good =
    (await runStages(reading.filter(wanted), availableParallelism(), total)) &&
    (await runStages(running.filter(wanted), 1, total))
  if (!good) process.exitCode = 1
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
}

module.exports = { main }
