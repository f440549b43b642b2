/**
 * What stands for bound sockets where engines bind by themselves. Streams are listened to beside each other (SO_REUSEPORT),
 * so nobody is told that somebody else has the address: it is tried alone before. Datagrams are one data plane's, since
 * nothing else keeps a peer at its session when another one comes or goes.
 */
import { createServer } from 'node:net';
import { plainAddress } from '../../core/address.ts';
import type { InternetAddress, SocketAddress } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import { type BoundDatagram, type BoundSocket, ELSEWHERE, ownerOf } from '../binder.ts';
import { bindError } from './stream.ts';

/** Whether several sockets can listen at one address, and the kernel spreads peers over them (Node 22.12, 23.1). */
export function sharesAddresses(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return process.platform === 'linux' && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12));
}

export class PortableBinder {
  readonly #of: number;

  /** `of`: for how many data planes. */
  constructor(of: number) {
    this.#of = of;
  }

  /** Rejects with E_BIND. */
  async bindStream(at: SocketAddress): Promise<BoundSocket> {
    if (this.#of === 1 || 'path' in at || at.ranged) return { ...UNBOUND, listen: 'alone' };
    await tryStream(at);
    return { ...UNBOUND, listen: 'beside' };
  }

  /** This engine has no such sockets, and never asks. */
  async bindMessages(): Promise<BoundSocket> {
    throw new L7mpError('E_UNSUPPORTED', 'such sockets need native I/O');
  }

  /** For the n-th data plane. */
  async bindDatagram({ port }: InternetAddress, n: number): Promise<BoundDatagram> {
    return n === ownerOf(port, this.#of) ? { ...UNBOUND, n, of: this.#of, seed: 0, listen: 'alone' } : ELSEWHERE;
  }
}

const UNBOUND: BoundSocket = { fd: -1, release: async () => {} };

function tryStream(at: InternetAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(bindError(at, error)));
    server.listen({ host: plainAddress(at.host), port: at.port }, () => server.close(() => resolve()));
  });
}
