// A guard installs itself only in the Haraka it knows; in any other it steps aside with one warning.

import { expect, test, vi } from 'vitest'

import { installGuards } from '../../../plugins/host/guard/guards'
import { expectShape, isKnownVersion } from '../../../plugins/host/guard/shape'
import type { HarakaHost } from '../../../plugins/host/host'
import type { HarakaPlugin } from '../../../plugins/host/haraka'
import { expectParking } from '../../../plugins/host/parking'

test.each([
  ['3.3.4', true],
  ['3.3.10', true],
  ['3.4.0', false],
  ['4.0.0', false],
  ['3.3.4-beta', false],
])('Haraka %s is known: %s', (version, known) => {
  expect(isKnownVersion(version)).toBe(known)
})

test('a function is known by what is written in it', () => {
  const holder = {
    greet: (name: string) => `hello ${name}`,
  }
  expect(() => expectShape(holder, { name: 'greet', mentions: ['hello'] })).not.toThrow()
  expect(() => expectShape(holder, { name: 'greet', mentions: ['good bye'] })).toThrow(/does not mention/)
  expect(() => expectShape(holder, { name: 'part', mentions: [] })).toThrow(/not a function/)
})

const harakaOf = (version: string) => {
  const warnings: string[] = []
  const plugin = {
    haraka_require: (name: string) => {
      if (name === 'package.json') return { version }
      // Functions of the right name that do something else.
      return new Proxy({}, { get: (_, key) => (key === 'prototype' ? {} : () => key) })
    },
    register_hook: vi.fn(),
    logwarn: (text: string) => warnings.push(text),
  }
  return { plugin: plugin as unknown as HarakaPlugin, warnings, registered: plugin.register_hook }
}

const host = { configuration: { current: { sluice: { host: { guards: {} } } } } } as unknown as HarakaHost

test('an unknown version gets no guard and one warning', () => {
  const { plugin, warnings, registered } = harakaOf('5.0.0')
  installGuards(plugin, host)
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toMatch(/5\.0\.0/)
  expect(registered).not.toHaveBeenCalled()
})

test('a known version with other functions gets one warning for each guard', () => {
  const { plugin, warnings } = harakaOf('3.3.99')
  installGuards(plugin, host)
  expect(warnings.length).toBeGreaterThan(5)
  for (const warning of warnings) expect(warning).toMatch(/^guard \w+ steps aside/)
})

test('parking does not begin where hooks and slots are not the ones it knows', () => {
  const { plugin } = harakaOf('3.3.99')
  expect(() => expectParking(plugin)).toThrow(/run_next_hook does not mention/)
})
