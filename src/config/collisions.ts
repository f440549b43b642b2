/** Listeners of one configuration that want the same address: all but one of them cannot listen. */
import { isIPv4 } from 'node:net';
import { ANY, hostPort, plainAddress } from '../core/address.ts';
import type { Problem } from '../core/errors.ts';
import type { Spec } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import type { DefinitionOf } from '../model/definitions.ts';
import type { Outline } from './outline.ts';

interface Wanted {
  readonly listener: DefinitionOf<'listener'>;
  /** The protocol that opens the socket. */
  readonly protocol: string;
  readonly lossy: boolean;
  /** An address of the Internet, or a path without a port. */
  readonly host: string;
  readonly port: number | undefined;
}

export interface Collisions {
  /** Of one protocol: that cannot work. */
  readonly certain: readonly Problem[];
  /** Of several, which have one kind of sockets as far as their channels tell. */
  readonly likely: readonly Problem[];
}

export function findCollisions(outline: Outline, registry: Registry): Collisions {
  const certain: Problem[] = [];
  const likely: Problem[] = [];
  const before = new Map<number | string, Wanted[]>();
  for (const wanted of outline.all('listener').flatMap((listener) => wantedBy(listener, registry))) {
    const key = wanted.port ?? wanted.host;
    const others = before.get(key) ?? [];
    before.set(key, [...others, wanted]);
    const other = others.find((one) => one.lossy === wanted.lossy && overlap(one, wanted));
    if (!other) continue;
    const problem = { path: `${outline.placeOf(wanted.listener)}/spec`, message: describe(wanted, other) };
    (other.protocol === wanted.protocol ? certain : likely).push(problem);
  }
  return { certain, likely };
}

function wantedBy(listener: DefinitionOf<'listener'>, registry: Registry): Wanted[] {
  const { protocol } = lowest(listener.spec, registry);
  const { lossy } = registry.transport('listener', listener.spec);
  const paths = registry.filesOf('listener', listener.spec).filter(({ use }) => use === 'listen');
  const wanted = (host: string, port?: number): Wanted => ({ listener, protocol, lossy, host, port });
  const place = registry.addressOf(listener.spec);
  return [...(place ? [wanted(plainAddress(place.host), place.port)] : []), ...paths.map(({ path }) => wanted(path))];
}

function lowest(spec: Spec, registry: Registry): Spec {
  const under = registry.under('listener', spec);
  return under ? lowest(under, registry) : spec;
}

/** Names of hosts are not looked up: what they lead to may change. */
function overlap({ host: a }: Wanted, { host: b }: Wanted): boolean {
  return a === b || covers(a, b) || covers(b, a);
}

function covers(wildcard: string, host: string): boolean {
  return wildcard === '::' || (wildcard === ANY && isIPv4(host));
}

function describe({ host, port }: Wanted, { listener, host: other }: Wanted): string {
  const where = (at: string): string => (port === undefined ? at : hostPort(at, port));
  const its = other === host ? '' : `, at ${where(other)}`;
  return `${where(host)} is what the listener ${listener.name} listens on${its}: one of them cannot`;
}
