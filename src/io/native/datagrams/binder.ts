/**
 * Binds sockets for datagrams, one of each address for each data plane: the kernel spreads peers over them. Of many ports
 * each has one socket, which is one data plane's.
 */
import { randomInt } from 'node:crypto';
import { isWildcard } from '../../../core/address.ts';
import type { InternetAddress } from '../../../core/engine.ts';
import { type BoundDatagram, ELSEWHERE, ownerOf } from '../../binder.ts';
import { bindError, inUse } from '../../node/stream.ts';
import { ActivatedSockets } from '../activated.ts';
import { familyOf } from '../system/address.ts';
import * as k from '../system/constants.ts';
import { libc } from '../system/libc.ts';
import * as sockets from '../system/sockets.ts';
import { dropAll, steer, stopDropping } from './steering.ts';

/** What the kernel is asked to hold, in bytes (it doubles, and caps at rmem_max), and of one of many ports. */
const RECEIVE_BUFFER = 4 << 20;
const RANGED_BUFFER = 1 << 20;

/**
 * The sockets of one address: one for each data plane, or one that is the port's owner's. As long as any is used they all
 * stay, in this order, so that each peer keeps its own.
 */
interface Group {
  readonly port: number;
  /** The process was started with it: it is not closed. */
  readonly given: boolean;
  readonly fds: readonly number[];
  /** Random, so that peers cannot choose their data plane: one can do as much as one alone could. */
  readonly seed: number;
  readonly users: Set<number>;
}

export class DatagramBinder {
  readonly #of: number;
  readonly #activated: ActivatedSockets;
  readonly #groups = new Map<string, Group>();

  /** `of`: for how many data planes. What the process was started with is one socket, as of many ports each has. */
  constructor(of: number, activated = new ActivatedSockets([])) {
    this.#of = of;
    this.#activated = activated;
  }

  /**
   * The socket of the n-th data plane. `host` is an address. Throws E_BIND, and leaves nothing behind, where somebody else
   * has the address, or the n-th has it already. What comes to a socket that is not used is not received.
   */
  bind(at: InternetAddress, n: number): BoundDatagram {
    const key = `${at.host}|${at.port}`;
    const owns = n === ownerOf(at.port, this.#of);
    const there = this.#groups.get(key);
    const given = this.#activated.datagram(at);
    if ((at.ranged || given !== undefined) && !owns && !(there && there.fds.length === this.#of)) return ELSEWHERE;
    const group = there ?? this.#open(key, at, given);
    const { fds, seed, users } = group;
    if (users.has(n)) throw inUse(at);
    users.add(n);
    const release = async (): Promise<void> => this.#release(key, group, n);
    const fd = this.#socketOf(group, at.port, n);
    // Held for live sessions by its owner: it stays so for as long as anybody has the port.
    if (fd === undefined) return { ...ELSEWHERE, release };
    if (this.#of > 1 || group.given) stopDropping(fd);
    return { fd, n: fds.length === 1 ? 0 : n, of: fds.length, seed, release };
  }

  #open(key: string, at: InternetAddress, given: number | undefined): Group {
    const seed = randomInt(0x7fffffff);
    const fds = given === undefined ? bindGroup(at, at.ranged ? 1 : this.#of, seed) : [prepared(given, at)];
    const group = { port: at.port, given: given !== undefined, fds, seed, users: new Set<number>() };
    this.#groups.set(key, group);
    return group;
  }

  #socketOf({ fds }: Group, port: number, n: number): number | undefined {
    return fds.length === this.#of ? fds[n] : n === ownerOf(port, this.#of) ? fds[0] : undefined;
  }

  #release(key: string, group: Group, n: number): void {
    const { fds, given, port, users } = group;
    if (!users.delete(n)) return;
    if (users.size > 0) {
      const fd = this.#socketOf(group, port, n);
      if (fd !== undefined) dropAll(fd);
      return;
    }
    // Its queue would fill, and be what the next one gets first.
    if (given) for (const fd of fds) dropAll(fd);
    else for (const fd of fds) libc().close(fd);
    this.#groups.delete(key);
  }
}

/** So many sockets at one address. They receive nothing yet, where there are several. */
function bindGroup(at: InternetAddress, of: number, seed: number): number[] {
  const fds: number[] = [];
  try {
    while (fds.length < of) fds.push(bindSocket(at, fds.length === 0, of > 1));
    if (of > 1) steer(fds, seed);
    return fds;
  } catch (error) {
    for (const fd of fds) libc().close(fd);
    throw bindError(at, error as Error);
  }
}

/** A socket for an address, with the options that all of them have. */
function prepared(fd: number, at: InternetAddress): number {
  sockets.setOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, at.ranged ? RANGED_BUFFER : RECEIVE_BUFFER);
  if (isWildcard(at.host)) {
    if (familyOf(at.host) === k.AF_INET6) sockets.setOption(fd, k.IPPROTO_IPV6, k.IPV6_RECVPKTINFO, 1);
    else sockets.setOption(fd, k.IPPROTO_IP, k.IP_PKTINFO, 1);
  }
  return fd;
}

function bindSocket(at: InternetAddress, first: boolean, shared: boolean): number {
  const family = familyOf(at.host);
  const fd = prepared(sockets.open(family, k.SOCK_DGRAM), at);
  // Until all are bound, a peer would be somewhere else later.
  if (shared) dropAll(fd);
  if (!first) sockets.setOption(fd, k.SOL_SOCKET, k.SO_REUSEPORT, 1);
  sockets.bind(fd, at);
  // Only now: together with others that share, it could be bound although somebody else has the port (socket(7)).
  if (shared) sockets.setOption(fd, k.SOL_SOCKET, k.SO_REUSEPORT, 1);
  return fd;
}
