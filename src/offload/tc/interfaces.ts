import type { InterfaceStatus } from '../engine.ts';
import type { Attacher, Attachment } from './attach.ts';
import { type Link, LOOPBACK, type Netlink } from './netlink.ts';

/** ARPHRD_ETHER, ARPHRD_LOOPBACK: what has an Ethernet header. bpf_redirect_neigh drops what came in without one. */
const TYPES = new Set([1, 772]);

interface Attached {
  readonly name: string;
  readonly attachment: Attachment;
}

/**
 * The interfaces where packets are seen: those that are named, or all. One that appears later, under such a name, is
 * taken up when `update` is next called.
 */
export class Interfaces {
  readonly #wanted: ReadonlySet<string> | 'all';
  readonly #netlink: Netlink;
  readonly #attacher: Attacher;
  readonly #attached = new Map<number, Attached>();
  /** Names without an interface. */
  #awaited = new Set<string>();
  #failures: InterfaceStatus[] = [];

  constructor(wanted: readonly string[] | 'all', netlink: Netlink, attacher: Attacher) {
    this.#wanted = wanted === 'all' ? 'all' : new Set(wanted);
    this.#netlink = netlink;
    this.#attacher = attacher;
    this.update();
  }

  has(index: number): boolean {
    return this.#attached.has(index);
  }

  nameOf(index: number): string {
    const name = this.#attached.get(index)?.name ?? (index === LOOPBACK ? 'lo' : undefined);
    return name ?? this.#netlink.links().find((link) => link.index === index)?.name ?? String(index);
  }

  /** Why no packet will ever be seen; undefined where one may be, if only on an interface that is still to appear. */
  get unusable(): string | undefined {
    if (this.#attached.size > 0 || this.#awaited.size > 0 || this.#failures.length === 0) return undefined;
    return this.#failures.map(({ name, why }) => `${name}: ${why}`).join('; ');
  }

  status(): InterfaceStatus[] {
    const attached = [...this.#attached.values()].map(({ name, attachment }) => ({ name, attached: attachment.means }));
    return [...attached, ...this.#failures];
  }

  update(): void {
    const wanted = this.#wanted;
    const links = this.#netlink.links().filter(({ name }) => wanted === 'all' || wanted.has(name));
    const there = new Set(links.map(({ index }) => index));
    for (const index of this.#attached.keys()) if (!there.has(index)) this.#drop(index);
    this.#failures = links.map((link) => this.#take(link)).filter((failure) => failure !== undefined);
    if (wanted === 'all') return;
    this.#awaited = new Set(wanted);
    for (const { name } of links) this.#awaited.delete(name);
    for (const name of this.#awaited) this.#failures.push(failed(name, 'there is no such interface yet'));
  }

  close(): void {
    for (const index of [...this.#attached.keys()]) this.#drop(index);
    this.#attacher.close();
  }

  #take({ index, name, type }: Link): InterfaceStatus | undefined {
    if (this.#attached.has(index)) return undefined;
    if (!TYPES.has(type)) return failed(name, `its packets have no Ethernet header (type ${type})`);
    const attachment = this.#attacher.attach(index);
    if (typeof attachment === 'string') return failed(name, attachment);
    this.#attached.set(index, { name, attachment });
    return undefined;
  }

  #drop(index: number): void {
    this.#attached.get(index)?.attachment.detach();
    this.#attached.delete(index);
  }
}

function failed(name: string, why: string): InterfaceStatus {
  return { name, why };
}
