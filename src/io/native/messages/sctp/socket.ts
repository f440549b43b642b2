/** SCTP sockets of the one-to-one style (RFC 6458, section 4; sctp(7)), and what the kernel says of their messages. */
import { isIP } from 'node:net';
import { hostPort } from '../../../../core/address.ts';
import type { SctpAddress } from '../../../../core/engine.ts';
import { L7mpError } from '../../../../core/errors.ts';
import { putInternet } from '../../system/address.ts';
import { scratchArena } from '../../system/arena.ts';
import * as k from '../../system/constants.ts';
import { libc } from '../../system/libc.ts';
import * as sockets from '../../system/sockets.ts';

// Options (include/uapi/linux/sctp.h).
const INITMSG = 2;
const NODELAY = 3;
const EVENTS = 11;
const STATUS = 14;
const RECVRCVINFO = 32;
const BINDX_ADD = 100;
const LOCAL_ADDRS = 109;
const CONNECTX = 110;

/** Of struct sctp_event_subscribe: its size, and the bytes for changes of the association and for messages that end half-way. */
const SUBSCRIPTIONS = 14;
const ASSOCIATION = 1;
const PARTIAL_DELIVERY = 6;

/** The type of the latter's notifications, and the change of an association that has ended in order. */
export const PARTIAL_DELIVERY_EVENT = 0x8006;
export const SHUTDOWN_COMPLETE = 3;

/** Of struct sctp_status: its size, and where the number of outgoing streams is. */
const STATUS_SIZE = 176;
const OUT_STREAMS = 18;

/** In the scratch arena, behind what `sockets` uses: options, up to 64 KiB of addresses. */
const OPTION = 4096;
const OPTION_BYTES = 65_536;

/** Addresses of one end that are told to the kernel: more than any host has. */
const MOST_ADDRESSES = 64;

/** A new socket that is set up, for addresses of IPv4 unless one is, or `family` says, of IPv6. Throws E_UNSUPPORTED where the kernel has no SCTP, else what the system says. */
export function open({ host, hosts = [], streams, noDelay }: SctpAddress, family = k.AF_INET): number {
  const six = family === k.AF_INET6 || [host, ...hosts].some((one) => isIP(one) === 6);
  const fd = openFamily(six ? k.AF_INET6 : k.AF_INET);
  const { u8, u16 } = scratchArena();
  u8.fill(0, OPTION, OPTION + 64);
  u16[OPTION >> 1] = streams;
  u16[(OPTION >> 1) + 1] = streams;
  setBytes(fd, INITMSG, 8);
  // What is accepted inherits all of these.
  sockets.setOption(fd, k.IPPROTO_SCTP, NODELAY, Number(noDelay));
  sockets.setOption(fd, k.IPPROTO_SCTP, RECVRCVINFO, 1);
  u8.fill(0, OPTION, OPTION + 64);
  u8[OPTION + ASSOCIATION] = 1;
  u8[OPTION + PARTIAL_DELIVERY] = 1;
  setBytes(fd, EVENTS, SUBSCRIPTIONS);
  return fd;
}

function openFamily(family: number): number {
  try {
    return sockets.open(family, k.SOCK_STREAM, k.IPPROTO_SCTP);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPROTONOSUPPORT' && code !== 'ESOCKTNOSUPPORT') throw error;
    throw new L7mpError('E_UNSUPPORTED', 'this kernel has no SCTP: the module sctp is missing', { cause: error });
  }
}

/** A listening socket, on addresses. Throws E_UNSUPPORTED, or a SocketError. */
export function listen(at: SctpAddress): number {
  const fd = open(at);
  sockets.setOption(fd, k.SOL_SOCKET, k.SO_REUSEADDR, 1);
  sockets.bind(fd, at, 'listen');
  try {
    if (at.hosts?.length) call('listen', at, setAddresses(fd, BINDX_ADD, at.hosts, at.port));
    if (libc().listen(fd, 1024) === 0) return fd;
    const errno = libc().errno();
    // The cookies of its handshake are signed (RFC 9260, section 5.1.3).
    if (errno !== k.ENOSYS) call('listen', at, errno);
    throw new L7mpError('E_UNSUPPORTED', 'this kernel cannot sign SCTP cookies: the module hmac is missing');
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** Begins to connect to all addresses of a host. Returns 0, EALREADY while it goes on, or the error. */
export function connect(fd: number, to: sockets.InternetAddress, hosts: readonly string[] = []): number {
  const errno = hosts.length > 0 ? setAddresses(fd, CONNECTX, [to.host, ...hosts], to.port) : sockets.connect(fd, to);
  return errno === k.EINPROGRESS ? k.EALREADY : errno;
}

/** How many streams an association has towards its peer, as both have agreed; 1 where the kernel does not tell. */
export function outStreams(fd: number): number {
  const { u8, u16 } = scratchArena();
  u8.fill(0, OPTION, OPTION + STATUS_SIZE);
  return getBytes(fd, STATUS, STATUS_SIZE) ? (u16[(OPTION + OUT_STREAMS) >> 1] as number) : 1;
}

/** The offset, in the scratch arena, of the first local address of an association; -1 where the kernel does not tell. */
export function localAddress(fd: number): number {
  const { u8, u32 } = scratchArena();
  u8.fill(0, OPTION, OPTION + 8 + k.SOCKADDR);
  if (!getBytes(fd, LOCAL_ADDRS, OPTION_BYTES)) return -1;
  // struct sctp_getaddrs: the association, how many there are, then they.
  return (u32[(OPTION + 4) >> 2] as number) > 0 ? OPTION + 8 : -1;
}

function call(name: string, { host, port }: SctpAddress, errno: number): void {
  if (errno !== 0) throw new sockets.SocketError(name, errno, hostPort(host, port), true);
}

/** Tells the kernel of addresses, packed one behind the other. Returns 0, or the error. */
function setAddresses(fd: number, option: number, hosts: readonly string[], port: number): number {
  let size = 0;
  for (const host of hosts.slice(0, MOST_ADDRESSES)) size += putInternet(scratchArena(), OPTION + size, host, port);
  return setBytes(fd, option, size);
}

function setBytes(fd: number, option: number, size: number): number {
  const c = libc();
  return c.setsockopt(fd, k.IPPROTO_SCTP, option, scratchArena().base + OPTION, size) < 0 ? c.errno() : 0;
}

function getBytes(fd: number, option: number, size: number): boolean {
  const { base, i32 } = scratchArena();
  const length = OPTION - 4;
  i32[length >> 2] = size;
  return libc().getsockopt(fd, k.IPPROTO_SCTP, option, base + OPTION, base + length) === 0;
}
