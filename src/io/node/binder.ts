/**
 * What stands for bound sockets where engines bind by themselves. Several listen beside each other (SO_REUSEPORT), so nobody
 * is told that somebody else has the address: it is tried alone, before the first of them listens.
 */
import { createSocket } from 'node:dgram';
import { createServer, isIPv6 } from 'node:net';
import { plainAddress } from '../../core/address.ts';
import type { SocketAddress } from '../../core/engine.ts';
import type { BoundDatagram, BoundSocket } from '../binder.ts';
import { bindError } from './stream.ts';

type InternetAddress = Extract<SocketAddress, { host: string }>;

/** Whether several sockets can listen at one address, and the kernel spreads peers over them (Node 22.12, 23.1). */
export function sharesAddresses(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return process.platform === 'linux' && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12));
}

export class PortableBinder {
  readonly #of: number;
  readonly #ports = new Map<string, number>();

  /** `of`: for how many data planes. */
  constructor(of: number) {
    this.#of = of;
  }

  /** Rejects with E_BIND. */
  async bindStream(at: SocketAddress): Promise<BoundSocket> {
    if (this.#of === 1 || 'path' in at) return { fd: -1, listen: 'alone', release: async () => {} };
    await tryStream(at);
    return { fd: -1, listen: 'beside', release: async () => {} };
  }

  /** For the n-th data plane. Rejects with E_BIND. */
  async bindDatagram(at: InternetAddress, n: number): Promise<BoundDatagram> {
    const spread = { fd: -1, n, of: this.#of, seed: 0 } as const;
    if (this.#of === 1) return { ...spread, listen: 'alone', release: async () => {} };
    const key = `${at.host}|${at.port}`;
    const users = this.#ports.get(key) ?? 0;
    this.#ports.set(key, users + 1);
    const release = async (): Promise<void> => {
      const left = (this.#ports.get(key) ?? 1) - 1;
      if (left > 0) this.#ports.set(key, left);
      else this.#ports.delete(key);
    };
    try {
      if (users === 0) await tryDatagram(at);
    } catch (error) {
      await release();
      throw error;
    }
    return { ...spread, listen: 'beside', release };
  }
}

function tryStream(at: InternetAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(bindError(at, error)));
    server.listen({ host: plainAddress(at.host), port: at.port }, () => server.close(() => resolve()));
  });
}

function tryDatagram(at: InternetAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(at.host) ? 'udp6' : 'udp4');
    socket.once('error', (error) => {
      socket.close();
      reject(bindError(at, error));
    });
    socket.bind({ address: at.host, port: at.port, exclusive: true }, () => socket.close(() => resolve()));
  });
}
