import { BlockList, isIP } from 'node:net'

/** The names that Express has for them too. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/** Whether it names one: an address, a range `address/bits`, or `loopback`, `linklocal`, `uniquelocal`. */
export function isProxyRange(text: string): boolean {
  if (Object.hasOwn(NAMED, text)) return true
  const [address = '', bits = '32', ...rest] = text.split('/')
  const version = isIP(address)
  // All addresses would be no statement about who is trusted.
  const isLength = /^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128)
  return version !== 0 && !address.includes('%') && isLength && rest.length === 0
}

/** The addresses of the ranges, each of which is one. */
export function proxyList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges.flatMap((text) => NAMED[text] ?? [text])) {
    const [address = '', bits] = range.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}
