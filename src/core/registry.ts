import { L7mpError } from './errors.ts';
import type { ClusterSide, ListenerSide, Protocol, Spec, StreamKind } from './protocol.ts';

/** The protocols that a proxy has, by name. */
export class Registry {
  readonly #protocols = new Map<string, Protocol>();

  constructor(protocols: readonly Protocol[]) {
    for (const protocol of protocols) this.add(protocol);
  }

  add(protocol: Protocol): void {
    const { name } = protocol;
    if (this.#protocols.has(name)) throw new L7mpError('E_DUPLICATE', `there are two protocols named ${name}`);
    this.#protocols.set(name, protocol);
  }

  all(): Protocol[] {
    return [...this.#protocols.values()];
  }

  listener(name: string): ListenerSide {
    return this.#side(name, 'listener');
  }

  cluster(name: string): ClusterSide {
    return this.#side(name, 'cluster');
  }

  /** The kind of stream that a cluster of this specification has. */
  kindOf = (spec: Spec): StreamKind => {
    const { kind } = this.cluster(spec.protocol);
    return typeof kind === 'function' ? kind(spec, this.kindOf) : kind;
  };

  /** The address of a cluster's only endpoint, where its specification, or that of what it stands on, holds one. */
  defaultAddress(spec: Spec): string | undefined {
    const { defaultAddress, standsOn } = this.cluster(spec.protocol);
    if (standsOn !== undefined) return this.defaultAddress(spec[standsOn] as Spec);
    return defaultAddress?.(spec);
  }

  #side<S extends 'listener' | 'cluster'>(name: string, side: S): NonNullable<Protocol[S]> {
    const found = this.#protocols.get(name)?.[side];
    if (found) return found;
    const known = this.all().filter((protocol) => protocol[side]);
    throw new L7mpError(
      'E_INVALID',
      `${JSON.stringify(name)} is no protocol for a ${side}; there are ${known.map((protocol) => protocol.name).join(', ')}`,
    );
  }
}
