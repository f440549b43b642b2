/** System calls on sockets: none of them waits. */
import { isIP } from 'node:net';
import { hostPort, plainAddress } from '../../../core/address.ts';
import type { Bind } from '../../../core/engine.ts';
import { withMode } from '../../socket-mode.ts';
import * as address from './address.ts';
import { scratchArena } from './arena.ts';
import * as k from './constants.ts';
import { errorName, errorText, libc, systemError } from './libc.ts';

/** Offsets in the scratch arena. */
const ADDRESS = 64;
const VALUE = 256;
/** Bytes of the longest address (sockaddr_un). */
const SOCKADDR_UN = 110;

export interface InternetAddress {
  readonly host: string;
  readonly port: number;
}

/** A failed call with what it was about, as node words it. */
export class SocketError extends Error {
  readonly code: string;

  constructor(call: string, errno: number, where: string, wordy = false) {
    const code = errorName(errno);
    super(wordy ? `${call} ${code}: ${errorText(errno)} ${where}` : `${call} ${code} ${where}`);
    this.code = code;
  }
}

export function setOption(fd: number, level: number, option: number, value: number): number {
  const arena = scratchArena();
  arena.i32[VALUE >> 2] = value;
  return libc().setsockopt(fd, level, option, arena.base + VALUE, 4);
}

/** An option that is a number; 0 where the system does not tell. */
export function option(fd: number, level: number, option: number): number {
  const arena = scratchArena();
  const at = VALUE >> 2;
  arena.i32[at] = 0;
  arena.i32[at + 1] = 4;
  libc().getsockopt(fd, level, option, arena.base + VALUE, arena.base + VALUE + 4);
  return arena.i32[at] as number;
}

/** The error that is pending on a socket, which this clears; 0 for none. */
export function pendingError(fd: number): number {
  const arena = scratchArena();
  const at = VALUE >> 2;
  arena.i32[at] = 0;
  arena.i32[at + 1] = 4;
  if (libc().getsockopt(fd, k.SOL_SOCKET, k.SO_ERROR, arena.base + VALUE, arena.base + VALUE + 4) < 0)
    return libc().errno();
  return arena.i32[at] as number;
}

/** Where a socket is bound, on the Internet or at a path; undefined of others. */
export function boundTo(fd: number): InternetAddress | { readonly path: string } | undefined {
  const arena = scratchArena();
  arena.i32[VALUE >> 2] = SOCKADDR_UN;
  if (libc().getsockname(fd, arena.base + ADDRESS, arena.base + VALUE) < 0) return undefined;
  if (arena.u16[ADDRESS >> 1] === k.AF_UNIX) {
    return { path: address.pathAt(arena.u8, ADDRESS, arena.i32[VALUE >> 2] as number) };
  }
  const host = address.hostAt(arena.u8, ADDRESS);
  return host === '' ? undefined : { host, port: address.portAt(arena.u8, ADDRESS) };
}

export function localAddress(fd: number): { address: string; port: number } {
  const arena = scratchArena();
  arena.i32[VALUE >> 2] = k.SOCKADDR;
  if (libc().getsockname(fd, arena.base + ADDRESS, arena.base + VALUE) < 0) return { address: '', port: 0 };
  return { address: address.hostAt(arena.u8, ADDRESS), port: address.portAt(arena.u8, ADDRESS) };
}

/** Closed, it is reset (socket(7), SO_LINGER), where it is not a UNIX socket. */
export function lingerNot(fd: number): void {
  const arena = scratchArena();
  const at = VALUE >> 2;
  arena.i32[at] = 1;
  arena.i32[at + 1] = 0;
  libc().setsockopt(fd, k.SOL_SOCKET, k.SO_LINGER, arena.base + VALUE, 8);
}

/**
 * Seconds of silence after which the kernel asks whether the peer is still there, seconds between such questions, and
 * how many without an answer end the connection (tcp(7)): as libuv has them, so that both engines say the same.
 */
const KEEPALIVE = { idle: 60, interval: 1, count: 10 };

/** What every TCP socket has: docs/decisions/0016. A listening one hands it on to those that it accepts. */
export function prepareTcp(fd: number): void {
  setOption(fd, k.IPPROTO_TCP, k.TCP_NODELAY, 1);
  keepUrgentData(fd);
}

/** Likewise, where there is time for it. */
export function keepAlive(fd: number): void {
  setOption(fd, k.SOL_SOCKET, k.SO_KEEPALIVE, 1);
  setOption(fd, k.IPPROTO_TCP, k.TCP_KEEPIDLE, KEEPALIVE.idle);
  setOption(fd, k.IPPROTO_TCP, k.TCP_KEEPINTVL, KEEPALIVE.interval);
  setOption(fd, k.IPPROTO_TCP, k.TCP_KEEPCNT, KEEPALIVE.count);
}

/** Binds a TCP socket that is to be connected, as `from` says. Closes it and throws where that fails. */
export function bindOutgoing(fd: number, to: string, from: Bind): void {
  // Else a port would be out of use while a connection from it is in TIME_WAIT, and for a second endpoint (socket(7)).
  if (from.port !== undefined) setOption(fd, k.SOL_SOCKET, k.SO_REUSEADDR, 1);
  // The kernel chooses the port when it knows the endpoint: so one serves a connection to each (ip(7)).
  else setOption(fd, k.IPPROTO_IP, k.IP_BIND_ADDRESS_NO_PORT, 1);
  bind(fd, localOf(from, to));
}

/** Where a socket that is to be connected is bound. */
export function localOf({ address: host, port = 0 }: Bind, to: string): InternetAddress {
  if (host !== undefined) return { host: plainAddress(host), port };
  return { host: address.familyOf(to) === k.AF_INET6 ? '::' : '0.0.0.0', port };
}

/** An urgent byte stays where it was sent, among the others (RFC 6093, section 4), instead of being left out. */
export function keepUrgentData(fd: number): void {
  setOption(fd, k.SOL_SOCKET, k.SO_OOBINLINE, 1);
}

/** A new socket; throws what the system says. */
export function open(family: number, type: number, protocol = 0): number {
  const fd = libc().socket(family, type | k.NONBLOCK_CLOEXEC, protocol);
  if (fd < 0) throw systemError('socket', libc().errno());
  // Whatever net.ipv6.bindv6only says: `::` is every address of the machine, and an IPv4-mapped one can be connected to.
  if (family === k.AF_INET6) setOption(fd, k.IPPROTO_IPV6, k.IPV6_V6ONLY, 0);
  return fd;
}

/** Binds a socket; closes it and throws where that fails. */
export function bind(fd: number, { host, port }: InternetAddress, call = 'bind'): void {
  const arena = scratchArena();
  const where = hostPort(host, port);
  if (isIP(host) === 0) {
    libc().close(fd);
    throw new SocketError(call, k.EINVAL, where, call === 'listen');
  }
  const size = address.putInternet(arena, ADDRESS, host, port);
  if (libc().bind(fd, arena.base + ADDRESS, size) < 0) fail(fd, call, where, call === 'listen');
}

/** Calls connect(2) with the address of that size in the scratch arena. Returns 0, or the error. */
function connectTo(fd: number, size: number): number {
  const c = libc();
  return c.connect(fd, scratchArena().base + ADDRESS, size) === 0 ? 0 : c.errno();
}

/** Begins to connect. Returns 0, or the error. */
export function connect(fd: number, { host, port }: InternetAddress): number {
  const size = address.putInternet(scratchArena(), ADDRESS, host, port);
  return connectTo(fd, size);
}

/**
 * Connects a stream. Returns 0, EALREADY while it goes on, or the error: on the machine itself the handshake is over
 * when connect(2) returns, and a second call says so. What the first one says is not asked for: an error that is not
 * EINPROGRESS is this machine's, and comes again.
 */
export function connectStream(fd: number, { host, port }: InternetAddress): number {
  const arena = scratchArena();
  const size = address.putInternet(arena, ADDRESS, host, port);
  return libc().connect(fd, arena.base + ADDRESS, size) === 0 ? 0 : connectTo(fd, size);
}

export function connectPath(fd: number, path: string): number {
  keepUrgentData(fd);
  const size = address.putPath(scratchArena(), ADDRESS, path);
  return connectTo(fd, size);
}

/** A listening TCP socket. What it accepts inherits TCP_NODELAY (tcp(7)). */
export function listenInternet(at: InternetAddress, shared = false): number {
  const family = address.familyOf(at.host);
  const fd = open(family, k.SOCK_STREAM);
  setOption(fd, k.SOL_SOCKET, k.SO_REUSEADDR, 1);
  if (shared) setOption(fd, k.SOL_SOCKET, k.SO_REUSEPORT, 1);
  prepareTcp(fd);
  keepAlive(fd);
  bind(fd, at, 'listen');
  if (libc().listen(fd, 4096) < 0) fail(fd, 'listen', hostPort(at.host, at.port), true);
  return fd;
}

/** Listens on a path at which nothing is. */
export function listenAt(path: string, mode?: number): number {
  const fd = open(k.AF_UNIX, k.SOCK_STREAM);
  const arena = scratchArena();
  const size = address.putPath(arena, ADDRESS, path);
  const bound = withMode(mode, () => libc().bind(fd, arena.base + ADDRESS, size));
  if (bound < 0) fail(fd, 'listen', path, true);
  if (libc().listen(fd, 511) < 0) fail(fd, 'listen', path, true);
  return fd;
}

function fail(fd: number, call: string, where: string, wordy: boolean): never {
  const errno = libc().errno();
  libc().close(fd);
  throw new SocketError(call, errno, where, wordy);
}
