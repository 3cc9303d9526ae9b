// Whom a finding is about. A proof bound to one recipient decides: whatever address the report names (an alias it was
// forwarded to, or none), that recipient is meant, once. A return path written for several recipients admits those the
// message was accepted for. A header token for several names the message only, as a Message-ID does; that, and bare
// addresses, are recorded and never suppress.

import { listedName, type Discretion } from '../outcome/recipient'
import type { Identification } from '../outcome/record'
import type { Finding } from './finding'
import type { Proof } from './proof'

/** What is known of a message from its outcomes. */
export interface KnownMessage {
  readonly message_id: string
  /** Names of its recipients as outcomes say them (address or hash), as recorded. */
  readonly recipients: readonly string[]
}

export interface Attributed {
  readonly finding: Finding
  readonly identified_by: Identification
  /** Empty where only an address is known. */
  readonly message_id: string
  /** Name as outcomes say it; empty where nobody in particular is known. */
  readonly recipient: string
  /** Domain of the recipient's address where an address is at hand, else empty. */
  readonly domain: string
}

/**
 * @param proofs of one message, as `proofsIn` orders them
 * @param message that message, or the one found by its Message-ID; undefined where no outcome of it is known
 */
export const attribute = (
  findings: readonly Finding[],
  proofs: readonly Proof[],
  message: KnownMessage | undefined,
  discretion: Discretion,
): Attributed[] => {
  const bound = proofs.find(({ several }) => !several)
  const [first] = findings
  if (!first) return []
  if (bound) return [boundTo(bound, first, findings, message, discretion)]
  const message_id = proofs[0]?.message_id ?? message?.message_id ?? ''
  const path = proofs.find(({ by }) => by === 'return_path')
  return findings.map((finding): Attributed => {
    const name = nameOf(finding.recipient, discretion)
    const known = name !== '' && message?.recipients.some((one) => one.toLowerCase() === name.toLowerCase())
    const identified_by = path && known ? 'return_path' : message_id ? 'message_id' : 'address'
    return { finding, identified_by, message_id, recipient: name, domain: domainOf(finding.recipient) }
  })
}

const boundTo = (
  proof: Proof,
  first: Finding,
  findings: readonly Finding[],
  message: KnownMessage | undefined,
  discretion: Discretion,
): Attributed => {
  const { by: identified_by, message_id } = proof
  const named = findings.find(({ recipient }) => recipient !== '' && proof.isFor(recipient))
  const finding = named ?? findings.find(({ kind }) => kind !== 'deferred') ?? first
  if (named) {
    const { recipient } = named
    return { finding, identified_by, message_id, recipient: nameOf(recipient, discretion), domain: domainOf(recipient) }
  }
  const names = message?.recipients ?? []
  // A hash cannot be held against the proof; where there is only one, it is that one.
  const recipient = names.find((name) => proof.isFor(name)) ?? (names.length === 1 ? names[0] : undefined) ?? ''
  return { finding, identified_by, message_id, recipient, domain: domainOf(recipient) }
}

const nameOf = (address: string, discretion: Discretion): string =>
  address === '' || discretion.mode === 'omit' ? '' : listedName(address, discretion)

const domainOf = (address: string): string =>
  address.includes('@') ? address.slice(address.lastIndexOf('@') + 1).toLowerCase() : ''
