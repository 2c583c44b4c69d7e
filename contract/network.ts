/** Of an IPv6 address so many groups of 16 bits name the network: a customer has 2^64 addresses to choose from. */
const networkGroups = 4

/**
 * The network that an address is counted by: an IPv4 address itself, also in the form of an IPv6 one; of IPv6 the first 64 bits.
 * All spellings of an address give the same text. What is no address is a network of that name.
 * @see https://www.rfc-editor.org/rfc/rfc6177#section-2 and, for the mapped form, RFC 4291, section 2.5.5.2
 */
export const networkOf = (address: string): string => {
  const groups = address.includes(':') ? groupsOf(address) : undefined
  if (!groups) return address
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (mapped) return [groups[6], groups[7]].flatMap((group = 0) => [group >> 8, group & 0xff]).join('.')
  return `${groups
    .slice(0, networkGroups)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** The eight groups; undefined for what is no IPv6 address. A URL writes one in its shortest form, in hexadecimal groups. */
const groupsOf = (address: string): number[] | undefined => {
  const [host] = address.split('%')
  const shortest = URL.parse(`http://[${host}]`)?.hostname.slice(1, -1)
  if (shortest === undefined) return undefined
  const [head = '', tail] = shortest.split('::')
  const numbers = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [first, last] = [numbers(head), numbers(tail ?? '')]
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
}
