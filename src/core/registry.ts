import { L7mpError } from './errors.ts';
import type { Metadata } from './metadata.ts';
import { parsePointer, setAt } from './pointer.ts';
import type { ListenAddress } from './ports.ts';
import type { ClusterSide, FileUse, ListenerSide, Protocol, Spec, StreamKind, Transport } from './protocol.ts';
import { REDACTED } from './redacted.ts';
import { type StandsOn, specBelow } from './stands-on.ts';

/** The side of a protocol that a specification is for. */
export type Role = 'listener' | 'cluster';

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

  /** The kind of stream that a cluster, or a listener, of this specification has. */
  kindOf(spec: Spec, role: Role = 'cluster'): StreamKind {
    // A listener's kind is never `same`, nor is what it stands on.
    const { kind } = this[role](spec.protocol) as Pick<ClusterSide, 'kind'>;
    return typeof kind === 'function' ? kind(spec, (under) => this.kindOf(under, role)) : kind;
  }

  /** The specification of the protocol underneath, for one that stands on another. */
  under(role: Role, spec: Spec): Spec | undefined {
    const { standsOn } = this[role](spec.protocol);
    return standsOn && specBelow(standsOn, spec);
  }

  /** What the channels of a specification are like for what stands on them. */
  transport(role: Role, spec: Spec): Transport {
    const { lossy } = this[role](spec.protocol);
    const under = this.under(role, spec);
    return {
      protocol: spec.protocol,
      kind: this.kindOf(spec, role),
      lossy:
        (typeof lossy === 'function' ? lossy(spec) : lossy) ??
        (under !== undefined && this.transport(role, under).lossy),
    };
  }

  /** The protocols on which one can stand that needs this; those whose kind depends on their own transport are among them. */
  carriers(role: Role, needs: StandsOn): string[] {
    const carriers = this.all().filter(({ [role]: side }) => {
      if (!side?.transport || (needs.lossy === false && side.lossy === true)) return false;
      return needs.kind === undefined || typeof side.kind === 'function' || side.kind === needs.kind;
    });
    return carriers.map(({ name }) => name);
  }

  /** The address of a cluster's only endpoint, where its specification, or that of what it stands on, holds one. */
  defaultAddress(spec: Spec): string | undefined {
    const under = this.under('cluster', spec);
    return under ? this.defaultAddress(under) : this.cluster(spec.protocol).defaultAddress?.(spec);
  }

  /** Checks the address of a cluster's endpoint, as what it stands on wants it. Throws E_INVALID. */
  checkAddress(spec: Spec, address: string): void {
    const under = this.under('cluster', spec);
    if (under) this.checkAddress(under, address);
    else this.cluster(spec.protocol).checkAddress?.(address, spec);
  }

  /** The files that a specification names, those of what it stands on among them. */
  filesOf(role: Role, spec: Spec): FileUse[] {
    const side: ListenerSide | ClusterSide = this[role](spec.protocol);
    const own = side.files?.(spec) ?? [];
    const under = this.under(role, spec);
    if (!under) return [...own];
    const prefix = placeBelow(side, spec);
    return [...own, ...this.filesOf(role, under).map((file) => ({ ...file, field: `${prefix}${file.field}` }))];
  }

  /** JSON pointers to the texts of a specification that nobody is shown, those of what it stands on among them. */
  secretsOf(role: Role, spec: Spec): string[] {
    const side: ListenerSide | ClusterSide = this[role](spec.protocol);
    const own = side.secrets?.(spec) ?? [];
    const under = this.under(role, spec);
    if (!under) return [...own];
    const prefix = placeBelow(side, spec);
    return [...own, ...this.secretsOf(role, under).map((field) => `${prefix}${field}`)];
  }

  /** A specification as others may see it. */
  shown<S extends Spec>(role: Role, spec: S): S {
    const secrets = this.secretsOf(role, spec);
    if (secrets.length === 0) return spec;
    const copy = structuredClone(spec);
    for (const field of secrets) setAt(copy as unknown as Metadata, parsePointer(field), REDACTED);
    return copy;
  }

  /** The fields of which a change is taken up in place, as JSON pointers into the object, those of what it stands on among them. */
  liveOf(role: Role, spec: Spec): readonly string[] {
    const { live = [], standsOn }: ListenerSide | ClusterSide = this[role](spec.protocol);
    const { otherwise } = standsOn ?? {};
    if (!otherwise || !standsOn || spec[standsOn.field] !== undefined) return live;
    const below: ListenerSide | ClusterSide = this[role](otherwise.protocol);
    const handedDown = new Set(otherwise.fields.map((field) => `/spec/${field}`));
    return [...live, ...(below.live ?? []).filter((field) => handedDown.has(field))];
  }

  /** The address of the Internet that a listener opens; undefined where it has none. */
  addressOf(spec: Spec): ListenAddress | undefined {
    const under = this.under('listener', spec);
    return under ? this.addressOf(under) : this.listener(spec.protocol).address?.(spec);
  }

  /** Whether a specification, or that of what it stands on, runs programs. */
  runsCode(role: Role, spec: Spec): boolean {
    const under = this.under(role, spec);
    return this[role](spec.protocol).runsCode === true || (under !== undefined && this.runsCode(role, under));
  }

  /** Whether the addresses of a cluster's endpoints are paths of sockets. */
  dialsPaths(spec: Spec): boolean {
    const under = this.under('cluster', spec);
    return under ? this.dialsPaths(under) : (this.cluster(spec.protocol).dialsPaths ?? false);
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

/** Where the specification of what a protocol stands on is, in its own. */
function placeBelow({ standsOn }: ListenerSide | ClusterSide, spec: Spec): string {
  return standsOn === undefined || spec[standsOn.field] === undefined ? '' : `/${standsOn.field}`;
}
