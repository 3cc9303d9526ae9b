// SMTP AUTH (RFC 4954): CRAM-MD5, PLAIN and LOGIN, in that order of preference. Passwords go in clear over a plain
// connection only where the caller says so.

import { createHmac } from 'node:crypto'

import { fault, isPositive, type Answer } from './reply'
import type { Connection } from './connection'

export interface Credentials {
  readonly username: string
  readonly password: string
}

const mechanisms = ['CRAM-MD5', 'PLAIN', 'LOGIN'] as const
type Mechanism = (typeof mechanisms)[number]

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

/**
 * @param offered mechanisms of the server, upper case
 * @param mayShow whether a password may be sent readable for anybody on the way
 * @returns the last answer: positive = authenticated
 */
export const authenticate = async (
  connection: Connection,
  credentials: Credentials,
  offered: readonly string[],
  mayShow: boolean,
  timeoutMs: number,
): Promise<Answer> => {
  const usable = mechanisms.filter((one) => offered.includes(one))
  const [mechanism] = usable.filter((one) => mayShow || one === 'CRAM-MD5')
  if (!mechanism) {
    const why = usable.length > 0 ? 'the connection is not encrypted' : `offered: ${offered.join(' ') || 'none'}`
    return fault('protocol', `no usable AUTH mechanism (${why})`)
  }
  const say = (line: string): Promise<Answer> => {
    connection.write(`${line}\r\n`)
    return connection.answer(timeoutMs)
  }
  return dialogues[mechanism](say, credentials)
}

type Say = (line: string) => Promise<Answer>

const isChallenge = (answer: Answer): boolean => answer.kind === 'reply' && answer.code === 334

const dialogues: Record<Mechanism, (say: Say, credentials: Credentials) => Promise<Answer>> = {
  PLAIN: (say, { username, password }) => say(`AUTH PLAIN ${base64(`\0${username}\0${password}`)}`),

  LOGIN: async (say, { username, password }) => {
    const first = await say('AUTH LOGIN')
    if (!isChallenge(first)) return settled(first)
    const second = await say(base64(username))
    if (!isChallenge(second)) return settled(second)
    return settled(await say(base64(password)))
  },

  'CRAM-MD5': async (say, { username, password }) => {
    const first = await say('AUTH CRAM-MD5')
    if (first.kind !== 'reply' || !isChallenge(first)) return settled(first)
    const challenge = Buffer.from(first.lines.at(-1)?.slice(4) ?? '', 'base64')
    // MD5 is what the mechanism is (RFC 2195); it hides the password, no more.
    const digest = createHmac('md5', password).update(challenge).digest('hex')
    return settled(await say(base64(`${username} ${digest}`)))
  },
}

/** A challenge where the dialogue should be over is neither yes nor no. */
const settled = (answer: Answer): Answer =>
  isPositive(answer) || !isChallenge(answer) ? answer : fault('protocol', 'an AUTH challenge too many')
