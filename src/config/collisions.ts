/** Listeners of one configuration that want the same address: all but one of them cannot listen. */
import { isIPv4 } from 'node:net';
import { ANY, hostPort, plainAddress } from '../core/address.ts';
import type { Problem } from '../core/errors.ts';
import { commonPort, hostPorts, type PortRange, portsOf } from '../core/ports.ts';
import type { Spec } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import type { DefinitionOf } from '../model/definitions.ts';
import type { Outline } from './outline.ts';

interface Wanted {
  readonly listener: DefinitionOf<'listener'>;
  /** The protocol that opens the socket. */
  readonly protocol: string;
  readonly lossy: boolean;
  /** An address of the Internet, or a path without ports. */
  readonly host: string;
  readonly ports: PortRange | undefined;
}

export interface Collisions {
  /** Of one protocol: that cannot work. */
  readonly certain: readonly Problem[];
  /** Of several, which have one kind of sockets as far as their channels tell. */
  readonly likely: readonly Problem[];
}

/** As `findCollisions`: a listener that wants what another one has. */
interface Collision {
  readonly wanted: Wanted;
  readonly other: Wanted;
}

export function findCollisions(outline: Outline, registry: Registry): Collisions {
  const all = collisions(outline.all('listener'), registry);
  const problems = (some: readonly Collision[]): Problem[] =>
    some.map(({ wanted, other }) => ({
      path: `${outline.placeOf(wanted.listener)}/spec`,
      message: describe(wanted, other),
    }));
  return {
    certain: problems(all.filter(isCertain)),
    likely: problems(all.filter((one) => !isCertain(one))),
  };
}

/** Why not all of the listeners can listen, of which some are new; undefined where nothing is known against it. */
export function collisionWith(
  isNew: (listener: DefinitionOf<'listener'>) => boolean,
  listeners: readonly DefinitionOf<'listener'>[],
  registry: Registry,
): string | undefined {
  // What is there was taken, however it came to it.
  const sorted = [...listeners.filter((one) => !isNew(one)), ...listeners.filter(isNew)];
  const found = collisions(sorted, registry).find((one) => isCertain(one) && isNew(one.wanted.listener));
  return found && `listener ${found.wanted.listener.name}: ${describe(found.wanted, found.other)}`;
}

function isCertain({ wanted, other }: Collision): boolean {
  return other.protocol === wanted.protocol;
}

function collisions(listeners: readonly DefinitionOf<'listener'>[], registry: Registry): Collision[] {
  const before = new Places();
  return listeners
    .flatMap((listener) => wantedBy(listener, registry))
    .flatMap((wanted) => {
      const other = before.near(wanted).find((one) => one.lossy === wanted.lossy && overlap(one, wanted));
      before.add(wanted);
      return other ? [{ wanted, other }] : [];
    });
}

function wantedBy(listener: DefinitionOf<'listener'>, registry: Registry): Wanted[] {
  const { protocol } = lowest(listener.spec, registry);
  const { lossy } = registry.transport('listener', listener.spec);
  const paths = registry.filesOf('listener', listener.spec).filter(({ use }) => use === 'listen');
  const wanted = (host: string, ports?: PortRange): Wanted => ({ listener, protocol, lossy, host, ports });
  const place = registry.addressOf(listener.spec);
  const own = place ? [wanted(plainAddress(place.host), portsOf(place))] : [];
  return [...own, ...paths.map(({ path }) => wanted(path))];
}

/** What was looked at. Most have one port, and are found by it; ranges are few. */
class Places {
  readonly #single = new Map<number | string, Wanted[]>();
  readonly #ranges: Wanted[] = [];

  add(wanted: Wanted): void {
    const key = keyOf(wanted);
    if (key === undefined) this.#ranges.push(wanted);
    else this.#single.set(key, [...(this.#single.get(key) ?? []), wanted]);
  }

  /** Those that have a port, or the path, in common with it. */
  near(wanted: Wanted): readonly Wanted[] {
    const { ports } = wanted;
    const key = keyOf(wanted);
    const single = key === undefined ? [...this.#single.values()].flat() : (this.#single.get(key) ?? []);
    if (!ports) return single;
    return [...single, ...this.#ranges].filter((one) => one.ports && commonPort(one.ports, ports) !== undefined);
  }
}

/** Undefined for a range. */
function keyOf({ host, ports }: Wanted): number | string | undefined {
  if (!ports) return host;
  return ports.first === ports.last ? ports.first : undefined;
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

function describe({ host, ports }: Wanted, { listener, host: other, ports: theirs }: Wanted): string {
  const port = ports && theirs && commonPort(ports, theirs);
  const where = port === undefined ? host : hostPort(host, port);
  const its = placeOf(other, theirs) === where ? '' : `, at ${placeOf(other, theirs)}`;
  return `${where} is what the listener ${listener.name} listens on${its}: one of them cannot`;
}

function placeOf(host: string, ports: PortRange | undefined): string {
  if (!ports) return host;
  const { first, last } = ports;
  return hostPorts({ host, port: first, ...(last > first && { lastPort: last }) });
}
