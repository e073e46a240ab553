/**
 * Who a request comes from: the connection's other end or, if that is a proxy to be trusted, the right-most address of
 * X-Forwarded-For that is none. Whatever is to the left of it the client may have made up.
 */
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { proxyList } from './proxy-ranges.ts'

type Request = Pick<IncomingMessage, 'headers'> & { socket: { remoteAddress?: string | undefined } }

/** `proxies`: addresses and ranges as TRUST_PROXY has them. Without any, X-Forwarded-For counts for nothing. */
export function clientAddress(proxies: readonly string[]): (request: Request) => string {
  if (proxies.length === 0) return ({ socket }) => plain(socket.remoteAddress ?? '')
  const trusted = proxyList(proxies)
  const isTrusted = (address: string) => {
    const version = isIP(address)
    return version !== 0 && trusted.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
  return ({ socket, headers }) => {
    let address = plain(socket.remoteAddress ?? '')
    // Node joins several headers of this name with commas.
    const hops = String(headers['x-forwarded-for'] ?? '').split(',')
    while (isTrusted(address)) {
      const hop = plain(withoutPort(hops.pop()?.trim() ?? ''))
      if (isIP(hop) === 0) break
      address = hop
    }
    return address
  }
}

/** One client for the limits: whoever has an IPv6 address has all of its /64. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [left = [], right] = address
    .split('::')
    .map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = right === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...Array<string>(Math.max(0, zeros)).fill('0'), ...(right ?? [])]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

/** `1.2.3.4:80` and `[::1]:80` are the address alone; an IPv6 address that stands without brackets has no port. */
function withoutPort(hop: string): string {
  const [, inBrackets, before] = /^(?:\[(.*)\]|([^:]*))(?::\d+)?$/.exec(hop) ?? []
  return inBrackets ?? before ?? hop
}

/** An IPv4 address as such, also where an IPv6 socket has it; no zone of this machine's. */
function plain(address: string): string {
  if (!address.includes(':')) return address
  return address.replace(/%.*$/, '').replace(/^::ffff:(?=[\d.]+$)/i, '')
}
