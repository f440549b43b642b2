import type { Channel } from '../../../core/channel.ts';
import { L7mpError, WRONG_PEER } from '../../../core/errors.ts';
import type { Attempt, ClusterHost, ClusterOptions, Dialer, DiallingSession } from '../../../core/protocol.ts';
import { agreedProtocol } from '../../../layers/tls/alpn.ts';
import { dialPort, type PortSpec } from '../../dial-port.ts';
import { forwardingOf } from '../forwarded.ts';
import { pingIntervalOf } from '../options.ts';
import { UpstreamChannel } from './channel.ts';
import { Deadlines } from './deadlines.ts';
import { Http1Connection } from './http1.ts';
import { beginHttp2 } from './http2.ts';
import { poolLimitsOf, responseTimeoutOf } from './options.ts';
import { type Connected, type Lease, Pool, type PoolLimits } from './pool.ts';
import { type Asked, requestFor } from './request.ts';
import type { ConnectionOwner, UpstreamConnection } from './upstream.ts';

/** The protocol of HTTP/2 over TLS (RFC 9113 section 3.2). */
const H2 = 'h2';

/** Requests that wait for the first connection of HTTP/2, which takes as many at a time as servers usually do. */
const HTTP2_REQUESTS = 100;

const LABELS = ['clusterName'];

/** What the fields of a cluster say, checked. */
export interface ClusterFields {
  readonly version?: '1.1' | '2' | 'auto';
  readonly port?: PortSpec;
  readonly path?: string;
  readonly method?: string;
  /** Whether TLS is below, which makes it https. */
  readonly secure: boolean;
}

/** Makes requests of sessions. The connections to an endpoint are kept, and shared. */
export class HttpDialer implements Dialer {
  readonly #below: Dialer;
  readonly #host: ClusterHost;
  readonly #deadlines: Deadlines;
  /** By address and port. */
  readonly #pools = new Map<string, Pool>();
  readonly #unwatch: readonly (() => void)[];
  /** Connections that were made, and requests that were made again. */
  #connected = 0;
  #repeated = 0;
  #fields: ClusterFields;
  #portOf: (attempt: Attempt) => number | undefined;
  #asked: Asked;
  #limits: PoolLimits;
  #responseTimeout: number;
  #pingInterval: number;

  constructor(fields: ClusterFields, below: Dialer, host: ClusterHost) {
    this.#below = below;
    this.#host = host;
    this.#deadlines = new Deadlines(() => this.#responseTimeout);
    this.#fields = fields;
    this.#portOf = dialPort(fields.port);
    this.#asked = askedBy(fields, host.options);
    this.#limits = poolLimitsOf(host.options);
    this.#responseTimeout = responseTimeoutOf(host.options);
    this.#pingInterval = pingIntervalOf(host.options);
    const { services, name: clusterName } = host;
    const count = (name: string, help: string, value: () => number) =>
      services.counter(name, help, LABELS).watch({ clusterName }, value);
    this.#unwatch = [
      count('cluster_http_connections_total', 'Connections that an HTTP cluster has made.', () => this.#connected),
      count('cluster_http_repeats_total', 'Requests that an HTTP cluster has made again.', () => this.#repeated),
    ];
  }

  dial(attempt: Attempt): UpstreamChannel | Promise<UpstreamChannel> {
    const port = this.#portOf(attempt);
    const request = requestFor(attempt, port, this.#asked);
    const take = (fresh: boolean) => this.#pool(attempt.address, port).take(attempt, fresh);
    // What a request is like shows with its body; a byte stream is a body whatever comes.
    const ahead = attempt.session !== undefined && !attempt.session.exchange;
    const again = (fresh: boolean) => {
      this.#repeated++;
      return take(fresh);
    };
    const asking = { deadlines: this.#deadlines, lease: again, ahead };
    const make = (lease: Lease) => new UpstreamChannel(request, lease, asking, this.#host.limits);
    const lease = take(false);
    return lease instanceof Promise ? lease.then(make) : make(lease);
  }

  /** Takes up what is live. */
  define(fields: ClusterFields, options: ClusterOptions): void {
    this.#fields = fields;
    this.#portOf = dialPort(fields.port);
    this.#asked = askedBy(fields, options);
    this.#limits = poolLimitsOf(options);
    this.#responseTimeout = responseTimeoutOf(options);
    this.#pingInterval = pingIntervalOf(options);
  }

  async close(): Promise<void> {
    for (const unwatch of this.#unwatch) unwatch();
    for (const pool of this.#pools.values()) pool.close();
    await this.#below.close?.();
  }

  #pool(address: string, port: number | undefined): Pool {
    const key = `${address} ${port}`;
    const known = this.#pools.get(key);
    if (known) return known;
    const made: Pool = new Pool(
      () => this.#limits,
      this.#connect,
      () => {
        if (this.#pools.get(key) === made) this.#pools.delete(key);
      },
      this.#fields.version === '2' ? HTTP2_REQUESTS : 1,
    );
    this.#pools.set(key, made);
    return made;
  }

  #connect = async (attempt: Attempt, owner: ConnectionOwner): Promise<Connected> => {
    const bounded = new PooledAttempt(attempt, this.#portOf(attempt));
    try {
      const lower = await this.#below.dial(bounded);
      this.#connected++;
      const connection = await this.#begin(lower, owner, bounded);
      return { connection, personal: bounded.personal };
    } finally {
      bounded.settle();
    }
  };

  #begin(lower: Channel, owner: ConnectionOwner, attempt: Attempt): UpstreamConnection | Promise<UpstreamConnection> {
    const { version = 'auto', secure } = this.#fields;
    const agreed = secure ? agreedProtocol(lower) : undefined;
    if (version === '1.1' || (version === 'auto' && agreed !== H2)) return new Http1Connection(lower, owner);
    if (!secure || agreed === H2) return beginHttp2(lower, owner, attempt, () => this.#pingInterval);
    lower.close({ kind: 'end', message: 'HTTP/2 was not agreed on' });
    const why = 'does not speak HTTP/2: it was not agreed on by ALPN';
    throw new L7mpError('E_HANDSHAKE', `${attempt.address}: ${why}`, { cause: { code: WRONG_PEER } });
  }
}

function askedBy({ path = '/', method = 'POST', secure }: ClusterFields, options: ClusterOptions): Asked {
  const { host = 'client' } = options as { host?: string };
  return { path, method, host, scheme: secure ? 'https' : 'http', forwarding: forwardingOf(options) };
}

/**
 * An attempt to connect that outlives the session's own, since others may use the connection. What is below and has looked at
 * the session (a PROXY header, metadata in a JSONSocket header) has made a connection that is this session's only.
 */
class PooledAttempt implements Attempt {
  personal = false;
  readonly address: string;
  readonly port: number | undefined;
  readonly timeout: number;
  readonly #session: DiallingSession | undefined;
  readonly #aborter = new AbortController();
  readonly #timer: NodeJS.Timeout;

  /** `port`: of the pool that it is for. */
  constructor({ address, timeout, session }: Attempt, port: number | undefined) {
    this.address = address;
    this.port = port;
    this.timeout = timeout;
    this.#session = session;
    this.#timer = setTimeout(() => this.#aborter.abort(), timeout);
  }

  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  // An Attempt's own is optional, and undefined for probes.
  get session(): DiallingSession {
    this.personal = true;
    return this.#session as DiallingSession;
  }

  settle(): void {
    clearTimeout(this.#timer);
  }
}
