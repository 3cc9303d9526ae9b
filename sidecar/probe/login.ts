// SMTP AUTH (RFC 4954) for the probe: CRAM-MD5, PLAIN and LOGIN, in the order in which mail would try them. A password
// goes readable over the line only where the channel is secured or the configuration wants none.

import { createHmac } from 'node:crypto'

import type { Dialogue, Reply } from './dialogue'

export interface Credentials {
  readonly username: string
  readonly password: string
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

type Mechanism = (dialogue: Dialogue, credentials: Credentials) => Promise<Reply>

const mechanisms: Readonly<Record<string, Mechanism>> = {
  'CRAM-MD5': async (dialogue, { username, password }) => {
    const first = await dialogue.say('AUTH CRAM-MD5')
    if (first.code !== 334) return first
    const challenge = Buffer.from(first.lines.at(-1)?.slice(4) ?? '', 'base64')
    // MD5 is what the mechanism is (RFC 2195); it hides the password, no more.
    return dialogue.say(base64(`${username} ${createHmac('md5', password).update(challenge).digest('hex')}`))
  },
  PLAIN: (dialogue, { username, password }) => dialogue.say(`AUTH PLAIN ${base64(`\0${username}\0${password}`)}`),
  LOGIN: async (dialogue, { username, password }) => {
    const first = await dialogue.say('AUTH LOGIN')
    if (first.code !== 334) return first
    const second = await dialogue.say(base64(username))
    return second.code === 334 ? dialogue.say(base64(password)) : second
  },
}

/**
 * @param offered mechanisms of the server, upper case
 * @param mayShow whether the password may go over the line as it is
 * @throws Error where none can be used
 */
export const login = async (
  dialogue: Dialogue,
  credentials: Credentials,
  offered: readonly string[],
  mayShow: boolean,
): Promise<{ readonly mechanism: string; readonly reply: Reply }> => {
  const usable = Object.keys(mechanisms).filter((one) => offered.includes(one))
  const mechanism = usable.find((one) => mayShow || one === 'CRAM-MD5') ?? ''
  const talk = mechanisms[mechanism]
  if (!talk) {
    const why = usable.length > 0 ? 'the connection is not encrypted' : `offered: ${offered.join(' ') || 'none'}`
    throw new Error(`no usable AUTH mechanism (${why})`)
  }
  return { mechanism, reply: await talk(dialogue, credentials) }
}
