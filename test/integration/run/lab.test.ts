import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { startLab, writeInternetWithReturns, type LabProcess } from '@sluice/run/lab'

let folder: string
let lab: LabProcess
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-lab-'))
  const internet = await writeInternetWithReturns(path.join(folder, 'internet.yaml'), ['shop.test'])
  lab = await startLab({ seed: 'test', internet }, path.join(folder, 'lab.log'))
})
afterAll(async () => {
  await lab.stop()
  await rm(folder, { recursive: true })
})

test('a lab of our own can be steered and asked for the truth', async () => {
  await lab.block('returns', '127.1.0.1', 60)
  await lab.unblock('returns', '127.1.0.1')
  await expect(lab.block('nobody', '127.1.0.1')).rejects.toThrow(/there is no provider nobody/)
  expect(await lab.truth()).toEqual([])
})
