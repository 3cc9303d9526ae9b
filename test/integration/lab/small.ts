// Small internets and labs that end with their test.

import { readInternet, type Internet } from '@sluice/lab/internet/schema'
import { startLab, type Lab, type LabOptions } from '@sluice/lab/lab'
import { onTestFinished } from 'vitest'

export const first = '127.20.101.1'
export const second = '127.20.101.2'

/** One provider `one` with two MX hosts; `rest` is YAML (flow style) of its further keys. */
export const oneProvider = (rest = ''): Internet =>
  readInternet(
    'small.yaml',
    `
providers:
  one:
    domains: [one.test]
    mx:
      - { host: mx1.one.test, preference: 5, address: ${first} }
      - { host: mx2.one.test, preference: 10, address: ${second} }
${rest.replace(/^/gm, '    ')}
`,
  )

/** A lab on free ports; stopped when the test ends. */
export const labOf = async (internet: Internet, options: Omit<LabOptions, 'internet'> = {}): Promise<Lab> => {
  const lab = await startLab({ internet, ...options })
  onTestFinished(() => lab.stop())
  return lab
}
