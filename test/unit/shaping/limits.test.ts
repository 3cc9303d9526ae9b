import { readFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { mergeShaping, readShaping, readShapingDocument } from '@sluice/core/config/shaping'
import { builtIn, explainLimits, limitsOf, mergeLimits } from '@sluice/core/shaping/limits'

const shipped = readShapingDocument(
  'providers.yaml',
  `defaults:
  connection_limit: 10
  message_rate: 100/s
providers:
  google:
    mx: [.google.com]
    connection_limit: 5
    messages_per_connection: 50
    timeouts:
      connect: 20s
`,
)

const operator = readShapingDocument(
  'shaping.yaml',
  `defaults:
  connection_limit: 8
providers:
  google:
    message_rate: [20/s, 1000/min]
    timeouts:
      dot: 5m
    sources:
      ip-7:
        connection_limit: 2
sites:
  aspmx.l.google.com:
    idle_s: 3
sources:
  relay-1:
    connection_limit: 40
`,
)

const merge = (lane: Parameters<typeof mergeLimits>[1]) => mergeLimits([shipped, operator], lane)

describe('merged limits', () => {
  it('go from the general to the particular, the operator over the shipped at each level', () => {
    expect(merge({ source: 'ip-1', provider: 'example' }).limits.connection_limit).toBe(8)
    expect(merge({ source: 'ip-1', provider: 'google' }).limits.connection_limit).toBe(5)
    expect(merge({ source: 'ip-7', provider: 'google' }).limits.connection_limit).toBe(2)
    expect(merge({ source: 'ip-1', provider: 'google', site: 'aspmx.l.google.com' }).limits.idle_s).toBe(3)
    expect(merge({ source: 'relay-1' }).limits.connection_limit).toBe(40)
  })

  it('know where each value comes from', () => {
    const { origins } = merge({ source: 'ip-7', provider: 'google' })
    expect(origins.get('connection_limit')).toEqual({ level: 'lane', file: 'shaping.yaml', line: 10 })
    expect(origins.get('messages_per_connection')).toEqual({ level: 'provider', file: 'providers.yaml', line: 8 })
    expect(origins.get('message_rate')).toEqual({ level: 'provider', file: 'shaping.yaml', line: 5 })
    expect(origins.get('timeouts.connect')).toEqual({ level: 'provider', file: 'providers.yaml', line: 10 })
    expect(origins.get('timeouts.dot')).toEqual({ level: 'provider', file: 'shaping.yaml', line: 7 })
    expect(origins.get('timeouts.mail')).toEqual({ level: 'built in' })
  })

  it('are groups member by member, and lists as a whole', () => {
    const { limits } = merge({ provider: 'google' })
    expect(limits.timeouts).toEqual({ ...builtIn.timeouts, connect: 20_000, dot: 300_000 })
    expect(limits.message_rate).toEqual([
      { limit: 20, window_ms: 1000 },
      { limit: 1000, window_ms: 60_000 },
    ])
  })

  it('are the same from documents and from the configuration that a worker has merged', () => {
    const config = mergeShaping(shipped.value, operator.value)
    for (const lane of [{ source: 'ip-7', provider: 'google' }, { provider: 'google' }, { source: 'relay-1' }]) {
      expect(limitsOf(config, lane)).toEqual(merge(lane).limits)
    }
  })

  it('are explained with every value and its origin', () => {
    const lines = explainLimits(merge({ source: 'ip-1', provider: 'google' }))
    expect(lines).toContainEqual({
      name: 'message_rate',
      value: '20/s, 1000/min',
      origin: 'provider, shaping.yaml:5',
    })
    expect(lines).toContainEqual(expect.objectContaining({ name: 'timeouts.dot', value: '5m' }))
    expect(lines).toContainEqual(
      expect.objectContaining({
        name: 'retry.by_class',
        value: 'greylisted: 5m, 5m, 10m, 20m, 40m, 1h; mailbox_full: 1h, 2h, 4h, 8h',
      }),
    )
    expect(lines).toContainEqual({ name: 'tls', value: 'opportunistic', origin: 'built in' })
    expect(lines).toContainEqual({ name: 'total.connection_limit', value: 'none', origin: 'built in' })
  })

  it('are built in where nobody says anything, even for a name like those of objects', () => {
    expect(
      limitsOf(readShaping('s.yaml', ''), { source: 'constructor', provider: 'toString', site: '__proto__' }),
    ).toEqual(builtIn)
  })
})

describe('the example in docs/shaping.md', () => {
  it('is a good shaping.yaml', () => {
    const text = readFileSync(path.join(__dirname, '../../../docs/shaping.md'), 'utf8')
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(text) ?? []
    expect(Object.keys(readShaping('docs/shaping.md', yaml).providers)).toEqual(['example'])
    expect(
      limitsOf(readShaping('docs/shaping.md', yaml), { provider: 'example', source: 'ip-7' }).connection_limit,
    ).toBe(2)
  })
})

describe('the limits vocabulary', () => {
  it.each([
    ['defaults:\n  connection_rate: fast\n', 's.yaml:2: defaults.connection_rate:'],
    ['defaults:\n  timeouts:\n    connect: never\n', 's.yaml:3: defaults.timeouts.connect:'],
    ['defaults:\n  reaction:\n    triggers:\n      - {id: x, on: {}, do: close}\n', 's.yaml:'],
    [
      'defaults:\n  reaction:\n    triggers:\n      - {id: x, on: {blame: ip}, do: close}\n      - {id: x, on: {blame: ip}, do: slow}\n',
      's.yaml:3: defaults.reaction.triggers: two rules',
    ],
    ['sites:\n  bad site:\n    idle_s: 1\n', 's.yaml:'],
    ['streams:\n  news:\n    liking: 101\n', 's.yaml:3: streams.news.liking:'],
  ])('names file, line and key of what is wrong', (text, complaint) => {
    expect(() => readShaping('s.yaml', text)).toThrow(complaint)
  })

  it('says all there is to say', () => {
    const config = readShaping(
      's.yaml',
      `defaults:
  connection_rate: 100/min
  recipients_per_message: 50
  total: {connection_limit: 200, message_rate: 500/s}
  quiet_hours: [{from: "22:00", until: "06:00", zone: Europe/Berlin, days: [sat, sun]}]
  retry: {schedule: [5m, 10m, 1h], by_class: {greylisted: [5m]}, max_age: 4d, jitter: 0.1}
  reaction:
    close_for: 30m
    triggers: [{id: ts02, on: {class: rate_limited, blame: [ip, netblock]}, times: 3, within: 1h, do: close, for: 30m}]
streams: {receipts: {weight: 8, liking: 90, max_age: 4h, move_on_block: true}}
tenants: {acme: {weight: 3}}
warmup: [{source: ip-7, plan: sparkpost, providers: {google: 0.5, "*": 0.5}, overflow: wait}]
`,
    )
    const { reaction, retry, total } = limitsOf(config, { provider: 'x' })
    expect(total).toEqual({
      connection_limit: 200,
      connection_rate: [],
      message_rate: [{ limit: 500, window_ms: 1000 }],
    })
    expect(retry.by_class).toEqual({ greylisted: [300_000] })
    expect(reaction.close_for).toBe(1_800_000)
    expect(reaction.triggers[0]).toMatchObject({ times: 3, within: 3_600_000, on: { class: ['rate_limited'] } })
    expect(config.streams['receipts']?.max_age).toBe(14_400_000)
    expect(config.warmup[0]?.overflow).toBe('wait')
  })
})
