/** Makes sessions through a proxy in a process of its own, in waves, and tells what that process holds between them. */
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import type * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { type Command, startConfig } from '../support/command.ts';
import { listener, request, THREADS } from '../support/proxy.ts';
import { Dice } from '../support/random.ts';
import { datagramSession, HOST, serveDatagrams, serveStreams, streamSession } from './sessions.ts';

/** Sessions that are made at a time. */
const CONCURRENCY = 200;
/** Sessions after which the datagram sessions are ended: by their listener's, or they end by their timeout. */
const WAVE = 5000;
/** Milliseconds. */
const IDLE_TIMEOUT = 1000;
/** Connections that a server may be late with: those that are over before it takes them wait, too. */
const BACKLOG = 4096;
/** Milliseconds: what a busy machine needs is no failure. */
const CONNECT_TIMEOUT = 60_000;
/** How many of the streams the API ends. */
const DELETED = 0.02;

const CONTROLLER = 'controller';
/** Ports of the configuration, which stand for free ones. */
const API = 3;
const TCP = 1;
const PIPED = 2;

/** What the proxy's process holds. */
export interface Footprint {
  readonly fds: number;
  /** MiB. */
  readonly rss: number;
}

export class Soak {
  readonly #seed: number;
  readonly #proxy: Proxy;
  /** Sessions so far. */
  made = 0;

  private constructor(seed: number, proxy: Proxy) {
    this.#seed = seed;
    this.#proxy = proxy;
  }

  static async start(t: TestContext, io: string, seed: number): Promise<Soak> {
    return new Soak(seed, await startProxy(t, io));
  }

  /** Makes so many sessions, and waits until the proxy has none. */
  async run(sessions: number): Promise<void> {
    const end = this.made + sessions;
    while (this.made < end) await this.#wave(Math.min(WAVE, end - this.made));
    await until(async () => (await this.#sessions()) === 0, 'no session is left');
  }

  /** What the proxy holds, once the connection by which it was asked for its sessions is gone too. */
  async footprint(): Promise<Footprint> {
    const { pid } = this.#proxy.command.child;
    await until(async () => (await connections(this.#proxy.port(API))) === 0, 'the API has no connection');
    const [fds, status] = await Promise.all([readdir(`/proc/${pid}/fd`), readFile(`/proc/${pid}/status`, 'latin1')]);
    return { fds: fds.length, rss: Math.round(Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024) };
  }

  async #wave(sessions: number): Promise<void> {
    const end = this.made + sessions;
    const worker = async () => {
      while (this.made < end) await this.#session(this.made++);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    if (end % (2 * WAVE) === 0) await this.#removeDatagrams();
  }

  /** Each has a dice of its own, so that what it does depends on the seed alone. */
  #session(n: number): Promise<unknown> {
    const dice = new Dice(this.#seed + n * 0x9e3779b1);
    const { port, path, datagrams } = this.#proxy;
    const kind = dice.pick(['tcp', 'udp', 'unix', 'piped'] as const);
    if (kind === 'udp') return datagramSession(dice, datagrams.port);
    if (kind === 'unix') return streamSession(dice, { path });
    const remove = dice.chance(DELETED) ? (socket: net.Socket) => this.#remove(socket) : undefined;
    return streamSession(dice, { port: port(kind === 'tcp' ? TCP : PIPED) }, remove);
  }

  async #remove({ localAddress, localPort, remotePort }: net.Socket): Promise<void> {
    await this.#api('DELETE', `sessions/TCP:${localAddress}:${localPort}-${HOST}:${remotePort}`);
  }

  /** The listener goes with its sessions, and comes back. */
  async #removeDatagrams(): Promise<void> {
    await this.#api('DELETE', 'listeners/udp?recursive=true');
    await this.#api('POST', 'listeners', { listener: this.#proxy.datagrams.listener });
  }

  /** All but the one that asks. */
  async #sessions(): Promise<number> {
    const all = (await this.#api('GET', 'sessions')) as { source: { origin: string } }[];
    return all.filter(({ source }) => source.origin !== CONTROLLER).length;
  }

  async #api(method: string, path: string, body?: object): Promise<unknown> {
    const headers = { 'content-type': 'application/json' };
    const options = { port: this.#proxy.port(API), method, path: `/api/v1/${path}`, headers };
    const answer = await request(options, body && JSON.stringify(body));
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  }
}

interface Proxy {
  readonly command: Command;
  /** The port that stands for one of the configuration's. */
  readonly port: (written: number) => number;
  readonly path: string;
  readonly datagrams: { readonly port: number; readonly listener: object };
}

/** Sockets go both as they are and, behind a transform, through JavaScript. */
async function startProxy(t: TestContext, io: string): Promise<Proxy> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-soak-'));
  t.after(() => rm(folder, { recursive: true }));
  const [path, serverPath, udp] = [join(folder, 'proxy'), join(folder, 'server'), await freePort()];
  const tcp = await serve(t, { port: 0, host: HOST });
  await serve(t, { path: serverPath });
  const server = serveDatagrams().bind({ address: HOST });
  t.after(() => server.close());
  await once(server, 'listening');
  const unix = cluster({ protocol: 'UnixDomainSocket' }, serverPath);
  const datagrams = listener('udp', at('UDP', udp), { destination: cluster(to('UDP', server.address().port), HOST) });
  Object.assign(datagrams, { options: { idle_timeout: IDLE_TIMEOUT } });
  const { command, port } = await startConfig(t, {
    admin: { io, log_level: 'notice', ...THREADS },
    listeners: [
      listener(CONTROLLER, at('HTTP', API), { destination: { spec: { protocol: 'L7mpController' } } }),
      listener('tcp', at('TCP', TCP), { destination: cluster(to('TCP', tcp.port), HOST) }),
      listener('piped', at('TCP', PIPED), { ingress: [{ spec: { protocol: 'Echo' } }], destination: unix }),
      listener('unix', { protocol: 'UnixDomainSocket', filename: path }, { destination: unix }),
      datagrams,
    ],
  });
  return { command, port, path, datagrams: { port: udp, listener: datagrams } };
}

const at = (protocol: string, port: number) => ({ protocol, port, address: HOST });
const to = (protocol: string, port: number) => ({ protocol, port });
const cluster = (spec: object, address: string) => ({
  spec,
  endpoints: [{ spec: { address } }],
  options: { connect_timeout: CONNECT_TIMEOUT },
});

async function serve(t: TestContext, where: net.ListenOptions): Promise<net.AddressInfo> {
  const server = serveStreams().listen({ ...where, backlog: BACKLOG });
  t.after(() => server.close());
  await once(server, 'listening');
  return server.address() as net.AddressInfo;
}

/** Connections of that local port that are open, or that the process still has to close (proc(5), /proc/net/tcp). */
async function connections(port: number): Promise<number> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const table = await readFile('/proc/net/tcp', 'latin1');
  return table.split('\n').filter((line) => new RegExp(`^ *\\d+: \\w{8}:${hex} \\w{8}:\\w{4} (01|08)`).test(line))
    .length;
}
