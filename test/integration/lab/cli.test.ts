// The command line, compiled, as a user starts it.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

import { expect, onTestFinished, test } from 'vitest'

const main = path.join(__dirname, '../../../lab/dist/main.js')

const yaml = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.20.103.1 }]
`

const start = (...args: string[]): ChildProcess & { readonly stdout: NodeJS.ReadableStream } => {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

const firstLine = async (child: { readonly stdout: NodeJS.ReadableStream }): Promise<unknown> => {
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return JSON.parse(line)
}

test('serve says when it is ready, a campaign runs against it, SIGTERM ends it with the truth on disk', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'lab-cli-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [internet, truth] = [path.join(folder, 'internet.yaml'), path.join(folder, 'truth.ndjson')]
  await writeFile(internet, yaml)
  const lab = start('serve', '--internet', internet, '--port', '0', '--truth', truth)
  const ready = (await firstLine(lab)) as { port: number; control: string }
  expect(ready).toMatchObject({ ready: true, providers: 1 })

  const campaign = start('campaign', '--internet', internet, '--to', `127.20.103.1:${ready.port}`, '--messages', '200')
  await expect(firstLine(campaign)).resolves.toMatchObject({
    messages: { planned: 200, submitted: 200, accepted: 200 },
    aborted: false,
  })
  lab.kill('SIGTERM')
  const [code] = (await once(lab, 'exit')) as [number | null]
  expect(code).toBe(0)
  const delivered = (await readFile(truth, 'utf8')).split('\n').filter((line) => line.includes('"delivered"'))
  expect(delivered).toHaveLength(200)
})

test.each([
  [['serve', '--internet', '/nonexistent.yaml'], 'ENOENT'],
  [['serve', '--port', 'x'], 'expected a number'],
  [['campaign', '--to', 'nowhere'], 'expected [HOST:]PORT'],
])('%j fails with %s', async (args, complaint) => {
  const child = start(...args)
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  expect(code).toBe(1)
  expect(said).toContain(complaint)
})
