// Which MX hosts a source can reach: addresses of a family the source has no address of are left out, hosts keep the
// order of preference, and equal preferences are shuffled (RFC 5321 5.1).

/** Bits of the address families. */
export const v4 = 1
export const v6 = 2

/** Any of `v4 | v6`; 0 = none. */
export type Families = number

export interface MxAddresses {
  readonly name: string
  readonly preference: number
  readonly v4: readonly string[]
  readonly v6: readonly string[]
}

export interface ReachableHost {
  readonly name: string
  readonly addresses: readonly string[]
}

export const familyOf = (address: string): Families => (address.includes(':') ? v6 : v4)

/** Families that any of the hosts can be reached by. */
export const familiesOf = (hosts: readonly MxAddresses[]): Families =>
  hosts.reduce((all, host) => all | (host.v4.length > 0 ? v4 : 0) | (host.v6.length > 0 ? v6 : 0), 0)

/**
 * Hosts to try by a source that can bind `families`, in order. Where both families are at hand, IPv4 comes first
 * for each host: receivers judge senders by IPv6 more strictly.
 * @param hosts sorted by preference
 * @param dice uniform in [0, 1), asked once per shuffled host
 */
export const reachableHosts = (
  hosts: readonly MxAddresses[],
  families: Families,
  dice: () => number,
): readonly ReachableHost[] =>
  shuffleEqual(hosts, dice).flatMap((host) => {
    const addresses = [...(families & v4 ? host.v4 : []), ...(families & v6 ? host.v6 : [])]
    return addresses.length > 0 ? [{ name: host.name, addresses }] : []
  })

/** Fisher-Yates within each run of equal preference. */
const shuffleEqual = (hosts: readonly MxAddresses[], dice: () => number): MxAddresses[] => {
  const shuffled = [...hosts]
  let start = 0
  for (let end = 1; end <= shuffled.length; end++) {
    if (end < shuffled.length && shuffled[end]?.preference === shuffled[start]?.preference) continue
    for (let last = end - 1; last > start; last--) {
      const other = start + Math.floor(dice() * (last - start + 1))
      const swapped = shuffled[last] as MxAddresses
      shuffled[last] = shuffled[other] as MxAddresses
      shuffled[other] = swapped
    }
    start = end
  }
  return shuffled
}
