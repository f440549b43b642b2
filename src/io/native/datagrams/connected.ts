/** Datagram sockets that are connected to one peer. */
import { isIP } from 'node:net';
import { hostPort, plainAddress } from '../../../core/address.ts';
import type { CloseReason, QueueLimits } from '../../../core/channel.ts';
import type { Bind, Ends, SocketChannel } from '../../../core/engine.ts';
import { L7mpError } from '../../../core/errors.ts';
import type { Attempt } from '../../../core/protocol.ts';
import { connectError } from '../../connect-error.ts';
import { addressToConnect } from '../../resolve.ts';
import type { Pollable } from '../loop.ts';
import { familyOf } from '../system/address.ts';
import * as k from '../system/constants.ts';
import { errorName, libc } from '../system/libc.ts';
import * as sockets from '../system/sockets.ts';
import { DatagramChannel } from './channel.ts';
import { CLOSED, type DatagramHub, LEAST, nextSingles, ROUNDS } from './hub.ts';
import { BATCH } from './layout.ts';

/** What the kernel is asked to hold, in bytes (it doubles, and caps at rmem_max). */
const RECEIVE_BUFFER = 1 << 20;

const FAILED: CloseReason = { kind: 'error', message: 'the socket failed' };

export class ConnectedChannel extends DatagramChannel implements Pollable {
  readonly fd: number;
  protected readonly hub: DatagramHub;
  readonly #host: string;
  readonly #port: number;
  #singles = 0;
  /** Whether the kernel joins what it receives; undefined until there was reason to ask. */
  #joins: boolean | undefined;

  /** Of a socket that is counted. Throws, and leaves it alone, where the kernel does not take it into the loop. */
  constructor(hub: DatagramHub, fd: number, limits: QueueLimits, host: string, port: number) {
    super(limits);
    this.hub = hub;
    this.fd = fd;
    this.#host = host;
    this.#port = port;
    if (!hub.loop.add(fd, k.EPOLLIN, this)) throw new sockets.SocketError('epoll_ctl', hub.c.errno(), '');
  }

  get address(): -1 {
    return -1;
  }

  // An idle session has no use for them, and the kernel says them; without their local part once it is closed.
  get ends(): Ends {
    const local = this.open ? sockets.localAddress(this.fd) : { address: '', port: 0 };
    return {
      localAddress: local.address,
      localPort: local.port,
      remoteAddress: this.#host,
      remotePort: this.#port,
    };
  }

  // ------------------------------------------------------------------ in the loop

  ready(): boolean {
    const { hub } = this;
    hub.called = false;
    for (let round = 0; round < ROUNDS && this.open && this.#receive(); round++);
    return hub.called;
  }

  broken(): void {
    this.lose(FAILED);
  }

  stop(): void {
    this.lose(CLOSED);
  }

  /** Returns whether there may be more. */
  #receive(): boolean {
    const { batch, sender } = this.hub;
    const one = this.#singles > 0;
    const first = sender.freeBuffers(one ? 1 : LEAST);
    const most = one ? 1 : BATCH - first;
    const count = batch.receiveConnected(this.fd, this.#joins === true, first, most);
    if (count < 0) return this.#refused();
    sender.takeBuffers(count);
    this.#singles = nextSingles(this.#singles, count);
    for (let n = 0; n < count; n++) this.received(first + n);
    // Plain recv(2), which cannot say that they are joined, is cheaper for a socket that has but one at a time.
    if (count > 1 && this.open) this.#joins ??= this.hub.join(this.fd);
    return !one && count === most;
  }

  /** An ICMP error concerns a datagram that was sent before, and ends nothing. Returns whether there may be more. */
  #refused(): boolean {
    const errno = this.hub.c.errno();
    if (errno === k.EAGAIN) return false;
    this.hub.called = true;
    this.owner?.fault?.(this, errorName(errno));
    return true;
  }

  protected override giveUp(): void {
    const { loop, connections } = this.hub;
    connections.give();
    loop.close(this.fd);
  }
}

/** At once, where `to` is an address; a name is resolved by the system. Throws, or rejects with, E_CONNECT, E_LIMIT or E_TIMEOUT. */
export function connectDatagram(
  hub: DatagramHub,
  to: sockets.InternetAddress,
  attempt: Attempt,
  limits: QueueLimits,
  bind: Bind | undefined,
): SocketChannel | Promise<SocketChannel> {
  const host = plainAddress(to.host);
  if (isIP(host) !== 0) return connect(hub, { host, port: to.port }, limits, bind);
  return addressToConnect(host).then((address) => {
    if (attempt.signal.aborted) throw new L7mpError('E_TIMEOUT', `${to.host}: not resolved in time`);
    return connect(hub, { host: address, port: to.port }, limits, bind);
  });
}

function connect(
  hub: DatagramHub,
  to: sockets.InternetAddress,
  limits: QueueLimits,
  bind: Bind | undefined,
): SocketChannel {
  let fd = -1;
  try {
    fd = openConnected(to, bind);
    hub.connections.reserve(fd);
  } catch (error) {
    if (fd >= 0) libc().close(fd);
    throw connectError(hostPort(to.host, to.port), error as Error);
  }
  try {
    return new ConnectedChannel(hub, fd, limits, to.host, to.port);
  } catch (error) {
    hub.connections.give();
    libc().close(fd);
    throw connectError(hostPort(to.host, to.port), error as Error);
  }
}

function openConnected(to: sockets.InternetAddress, bind: Bind | undefined): number {
  const fd = sockets.open(familyOf(to.host), k.SOCK_DGRAM);
  sockets.setOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, RECEIVE_BUFFER);
  if (bind) sockets.bind(fd, sockets.localOf(bind, to.host));
  const errno = sockets.connect(fd, to);
  if (errno === 0) return fd;
  libc().close(fd);
  throw new sockets.SocketError('connect', errno, hostPort(to.host, to.port));
}
