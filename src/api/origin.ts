/**
 * Which requests may come from a browser. A page of another site can make a browser send requests to this machine, and
 * DNS rebinding (a name of the attacker's that leads to 127.0.0.1) lets that page read the answers. What the page
 * cannot choose is what the browser itself says: Host, Origin (RFC 6454) and Sec-Fetch-Site (Fetch Metadata, W3C).
 */
import { isIPv4, isIPv6 } from 'node:net';
import { L7mpError } from '../core/errors.ts';
import type { ApiRequest } from '../core/protocol.ts';

type Headers = ApiRequest['headers'];

/** Names by which the API may be asked, and pages from which. */
export interface OriginSettings {
  /** Names by which the controller is reached, beside addresses and `localhost`. */
  readonly hosts?: readonly string[] | undefined;
  /** Origins whose pages may use the API (CORS). */
  readonly cors?: readonly string[] | undefined;
}

/** Seconds for which a browser may keep the answer to a preflight. */
const PREFLIGHT_AGE = 600;

/** What a page may read of an answer's headers, beside those that it always may. */
const EXPOSED = 'ETag, Link, X-Total-Count, WWW-Authenticate';

/** `[<IPv6 address>]` or anything without a colon, and perhaps a port. */
const HOST = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d*)?$/;

export class OriginPolicy {
  readonly #hosts: ReadonlySet<string>;
  readonly #cors: ReadonlySet<string>;

  constructor({ hosts = [], cors = [] }: OriginSettings) {
    this.#hosts = new Set(hosts.map(plainName));
    this.#cors = new Set(cors.map((origin) => origin.toLowerCase()));
  }

  /**
   * Throws E_REQUEST where there is more than one Host, E_FORBIDDEN where it is not one of ours or where a page of
   * another site is asking. Without a Host (HTTP/1.0) it was no browser.
   */
  check(headers: Headers): void {
    const { host } = headers;
    if (Array.isArray(host)) throw new L7mpError('E_REQUEST', 'there is more than one Host');
    if (host !== undefined && !this.#isOwn(host)) {
      throw new L7mpError(
        'E_FORBIDDEN',
        `Host ${JSON.stringify(host)} is neither an address nor localhost nor one of admin.hosts`,
      );
    }
    const { origin } = headers;
    if (origin !== undefined && !this.#isListed(origin) && !isSame(origin, host)) {
      throw new L7mpError(
        'E_FORBIDDEN',
        `pages of the origin ${JSON.stringify(origin)} may not use the API (admin.cors)`,
      );
    }
    const site = String(headers['sec-fetch-site'] ?? '')
      .trim()
      .toLowerCase();
    if (site === 'cross-site' && !this.#isListed(origin)) {
      throw new L7mpError('E_FORBIDDEN', 'pages of other sites may not use the API (Sec-Fetch-Site: cross-site)');
    }
  }

  /** The headers that let a page of a listed origin read the answer. */
  headersFor({ headers: { origin } }: ApiRequest): Record<string, string> {
    if (this.#cors.size === 0) return {};
    // What is answered depends on the Origin: no cache may give it to another one.
    if (!this.#isListed(origin)) return { vary: 'Origin' };
    return { vary: 'Origin', 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED };
  }

  /** The headers that answer a preflight (Fetch standard, section 4.8), or undefined where the request is none. */
  preflight({ method, headers }: ApiRequest): Record<string, string> | undefined {
    const wanted = headers['access-control-request-method'] !== undefined;
    if (method !== 'OPTIONS' || !wanted || !this.#isListed(headers.origin)) return undefined;
    return {
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, DELETE',
      'access-control-allow-headers': 'Authorization, Content-Type, If-Match, If-None-Match',
      'access-control-max-age': String(PREFLIGHT_AGE),
    };
  }

  #isListed(origin: string | string[] | undefined): origin is string {
    return typeof origin === 'string' && this.#cors.has(origin.toLowerCase());
  }

  #isOwn(host: string): boolean {
    const [, six, name = ''] = HOST.exec(host.trim()) ?? [];
    if (six !== undefined) return isIPv6(six);
    return isIPv4(name) || plainName(name) === 'localhost' || this.#hosts.has(plainName(name));
  }
}

/** Names are compared without their case and without the final dot of a full one (RFC 9110 section 4.2.3, RFC 1034). */
function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** Whether the page has come from where it asks, whichever of the schemes it was. */
function isSame(origin: string | string[], host: string | undefined): boolean {
  if (typeof origin !== 'string' || host === undefined) return false;
  try {
    const { protocol, host: own } = new URL(origin);
    return /^https?:$/.test(protocol) && new URL(`${protocol}//${host}`).host === own;
  } catch {
    return false;
  }
}
