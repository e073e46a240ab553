/**
 * Which web pages may call. A browser names the page's origin in `Origin`; programs send none and are let in.
 *
 * Allowed: the server's own origin; pages from loopback while the server is reached by loopback only (PUBLISHED_ON, or
 * else HOST); ALLOWED_ORIGINS. While it is reached by loopback only, `Host` must be a loopback name or a host of
 * ALLOWED_ORIGINS too: otherwise a page of a domain that resolves to 127.0.0.1 would be of the "same origin" (DNS
 * rebinding). It may be an address where the server listens on others than loopback, in a container: its neighbours ask
 * it by that, and rebinding takes a name. Pages opened as files have the origin `null`, and so have sandboxed frames of
 * any web site: it is not allowed (but by ALLOWED_ORIGINS=*).
 */
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { LiveKVError } from '@livekv/protocol'
import type { Config } from '../config.ts'
import { shown } from './shown.ts'

export class Origins {
  readonly #allowed: ReadonlySet<string>
  readonly #allowedHosts: ReadonlySet<string>
  readonly #onLoopback: boolean
  readonly #listensOnLoopback: boolean
  readonly #anyOrigin: boolean
  /** The last Host that was found good: nearly all requests carry the same. */
  #knownHost: string | undefined

  constructor(config: Pick<Config, 'host' | 'publishedOn' | 'allowedOrigins'>) {
    this.#allowed = new Set(config.allowedOrigins)
    this.#allowedHosts = new Set(
      config.allowedOrigins.flatMap((origin) => (origin === '*' ? [] : [new URL(origin).host])),
    )
    this.#onLoopback = isLoopback(config.publishedOn)
    this.#listensOnLoopback = isLoopback(config.host)
    this.#anyOrigin = this.#allowed.has('*')
  }

  /** Why the request is refused, or undefined. */
  refusal(request: IncomingMessage): LiveKVError | undefined {
    if (this.#anyOrigin) return undefined
    const { host, origin } = request.headers
    if (this.#onLoopback && host !== this.#knownHost) {
      if (host !== undefined && !this.#isOwn(hostname(host)) && !this.#allowedHosts.has(host)) {
        return new LiveKVError(
          'ORIGIN_NOT_ALLOWED',
          `The Host ${shown(host)} is not this server’s: it is reached by loopback only. Call http://localhost, or add http://${host.slice(0, 80)} to ALLOWED_ORIGINS.`,
        )
      }
      this.#knownHost = host
    }
    if (origin === undefined || this.#allows(origin, host)) return undefined
    return new LiveKVError(
      'ORIGIN_NOT_ALLOWED',
      `Pages of ${shown(origin)} may not call this server: add the origin to ALLOWED_ORIGINS.`,
    )
  }

  /** No name that somebody else's DNS could lead here. */
  #isOwn(name: string): boolean {
    return isLoopback(name) || (!this.#listensOnLoopback && isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0)
  }

  #allows(origin: string, host: string | undefined): boolean {
    if (this.#allowed.has(origin)) return true
    const url = URL.parse(origin)
    if (!url || !/^https?:$/.test(url.protocol)) return false
    // A proxy may end TLS before this server, so the scheme is not compared.
    if (host !== undefined && url.host === URL.parse(`${url.protocol}//${host}`)?.host) return true
    return this.#onLoopback && isLoopback(url.hostname)
  }
}

function hostname(host: string): string {
  return host.replace(/:\d*$/, '')
}

export function isLoopback(name: string): boolean {
  return /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(name)
}
