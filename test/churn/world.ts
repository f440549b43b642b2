/** The protocols whose sessions take part, their servers, and the configuration that leads to these. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import {
  type Connect,
  connectDatagram,
  connectHttp,
  connectStream,
  connectWebSocket,
  type Place,
  type Serve,
  serveDatagram,
  serveStream,
  serveWebSocket,
  withGreeting,
} from './wires.ts';

export const HOST = '127.0.0.1';
const ADDRESSES = [HOST, '127.0.0.2', '127.0.0.3'] as const;

export interface Kind {
  readonly name: string;
  readonly connect: Connect;
  readonly serve: Serve;
  /** Of the specification of a listener, and of a cluster. */
  listener(place: object): Spec;
  cluster(place: object): Spec;
  /** A client that goes does not end its session. */
  readonly datagrams?: boolean;
  /** UNIX sockets have paths. */
  readonly paths?: boolean;
}

export interface Spec {
  readonly protocol: string;
  readonly [field: string]: unknown;
}

const plain = (protocol: string) => (place: object) => ({ protocol, ...place });
const layer = (protocol: string) => (place: object) => ({
  protocol: 'JSONSocket',
  transport: { protocol, ...place },
});

export const KINDS: readonly Kind[] = [
  {
    name: 'UDP',
    connect: connectDatagram,
    serve: serveDatagram,
    listener: plain('UDP'),
    cluster: plain('UDP'),
    datagrams: true,
  },
  { name: 'TCP', connect: connectStream, serve: serveStream, listener: plain('TCP'), cluster: plain('TCP') },
  {
    name: 'WebSocket',
    connect: connectWebSocket,
    serve: serveWebSocket,
    listener: plain('WebSocket'),
    cluster: plain('WebSocket'),
  },
  { name: 'HTTP', connect: connectHttp, serve: serveStream, listener: plain('HTTP'), cluster: plain('TCP') },
  {
    name: 'JSONSocket-UDP',
    connect: withGreeting(connectDatagram),
    serve: serveDatagram,
    listener: layer('UDP'),
    cluster: layer('UDP'),
    datagrams: true,
  },
  {
    name: 'JSONSocket-TCP',
    connect: withGreeting(connectStream),
    serve: serveStream,
    listener: layer('TCP'),
    cluster: layer('TCP'),
  },
  {
    name: 'UNIX',
    connect: connectStream,
    serve: serveStream,
    listener: plain('UnixDomainSocket'),
    cluster: plain('UnixDomainSocket'),
    paths: true,
  },
];

/** Sessions of one protocol that came by one listener. All objects of their way have its name. */
export interface Group {
  readonly name: string;
  readonly kind: Kind;
  /** Where its listener is in the beginning, and where it may be: groups of a protocol change places. */
  readonly place: Place;
  readonly places: readonly Place[];
  /** The endpoints of its cluster. */
  readonly endpoints: readonly { readonly name: string; readonly spec: { readonly address: string } }[];
  /** Of the servers. */
  readonly port: number | undefined;
  /** Its sessions are ended by changes; those of other groups are not. */
  readonly ends: boolean;
}

/** How the groups of each protocol are called. */
const CALM = ['0', '1', '2'];
const ENDS = 'ends';

/** Starts the servers, which end with the test, and chooses where listeners may be. */
export async function makeGroups(t: TestContext): Promise<Group[]> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-churn-'));
  t.after(() => rm(folder, { recursive: true }));
  const groups: Group[] = [];
  for (const kind of KINDS) groups.push(...(await groupsOf(t, kind, folder)));
  return groups;
}

async function groupsOf(t: TestContext, kind: Kind, folder: string): Promise<Group[]> {
  const port = kind.paths ? undefined : await freePort();
  const servers = ADDRESSES.map((host, n) => (port ? { host, port } : { path: join(folder, `server-${n}`) }));
  for (const [n, at] of servers.entries()) t.after(await kind.serve(at, `server-${n}`));
  const place = async (n: string): Promise<Place> =>
    kind.paths ? { path: join(folder, n) } : { host: HOST, port: await freePort() };
  const group = (n: string, at: Place, places: readonly Place[]): Group => {
    const name = `${kind.name}-${n}`;
    const endpoints = servers.map((server, m) => ({
      name: `${name}-${m}`,
      spec: { address: 'path' in server ? server.path : server.host },
    }));
    return { name, kind, place: at, places, endpoints, port, ends: n === ENDS };
  };
  const first = await Promise.all(CALM.map(place));
  const others = await Promise.all(CALM.map((n) => place(`other-${n}`)));
  const own = await place(ENDS);
  const calm = CALM.map((n, m) => group(n, first[m] as Place, [...first, ...others]));
  return [...calm, group(ENDS, own, [own])];
}

/** A listener's specification. */
export function listenerSpec({ kind }: Group, place: Place): Spec {
  return kind.listener('path' in place ? { filename: place.path } : { port: place.port, address: place.host });
}

/** Where a listener of that specification is. */
export function placeOf(spec: Spec): Place {
  const { port, filename, address = HOST } = (spec.transport ?? spec) as Record<string, string>;
  return filename === undefined ? { host: address, port: Number(port) } : { path: filename };
}

/** The objects of a group as they are in the beginning: each kind has one, which names the next one. */
export function objectsOf(group: Group) {
  const { name, kind, place, endpoints, port } = group;
  return {
    listeners: [{ name, spec: listenerSpec(group, place), rules: name, options: { idle_timeout: 3_600_000 } }],
    rulelists: [{ name, rules: [name] }],
    rules: [{ name, action: { route: name } }],
    routes: [{ name, destination: name }],
    clusters: [
      {
        name,
        spec: kind.cluster(port === undefined ? {} : { port }),
        endpoints,
        loadbalancer: { policy: 'RoundRobin' },
        options: { idle_timeout: 3_600_000 },
      },
    ],
  };
}
