/** Whom answers that the proxy makes by itself may not go to: two who answer everything never stop. */
import { networkInterfaces } from 'node:os';
import { isLoopback } from '../core/address.ts';
import type { Channel } from '../core/channel.ts';
import { L7mpError } from '../core/errors.ts';
import type { PortRange } from '../core/ports.ts';
import { fromServicePort, peerOf } from '../core/source.ts';
import type { Plan } from '../session/plan.ts';

/** Milliseconds for which the machine's addresses are known. */
const HOLDS = 5000;

/** What it needs to know of a session. */
export interface Reflected {
  readonly source: Channel;
  readonly listener: { reject(why: string): unknown };
}

export class Reflection {
  /** The ports that the proxy listens on. */
  readonly #ports: () => Iterable<PortRange>;
  #addresses: ReadonlySet<string> = new Set();
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(ports: () => Iterable<PortRange>) {
    this.#ports = ports;
  }

  /**
   * Throws E_FORBIDDEN, and closes the client's channel without a word, where a session would answer by itself (its
   * destination has no network) to what may be a service, by its port, or a listener of this proxy. Who sends from there
   * by UDP is most likely named by a forged datagram.
   */
  check({ source, listener }: Reflected, { clusters, destination }: Plan): void {
    if (!source.lossy || !clusters[destination]?.side.virtual) return;
    if (!fromServicePort(source) && !this.#isOwn(source)) return;
    const message = 'nothing is answered to the ports of services, nor to listeners of this proxy';
    listener.reject('reflection');
    source.close({ kind: 'refused', message });
    throw new L7mpError('E_FORBIDDEN', message);
  }

  #isOwn(source: Channel): boolean {
    const peer = peerOf(source);
    if (!peer) return false;
    // Of a link-local one the zone is named as well, which is not a part of the interfaces' addresses.
    const [address = ''] = peer.address.split('%');
    if (!isLoopback(address) && !this.#local.has(address)) return false;
    for (const { first, last } of this.#ports()) if (first <= peer.port && peer.port <= last) return true;
    return false;
  }

  get #local(): ReadonlySet<string> {
    const now = performance.now();
    if (now - this.#readAt >= HOLDS) {
      this.#readAt = now;
      const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
      this.#addresses = new Set(all.map(({ address }) => address));
    }
    return this.#addresses;
  }
}
