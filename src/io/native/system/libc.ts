/**
 * The C library, called through koffi: the only file that knows it. Pointers are Numbers (`intptr_t`): every address
 * that is passed lies in an arena below 2^53, and no JavaScript object is ever handed to the kernel.
 */
import { createRequire } from 'node:module';
import { getSystemErrorMap, getSystemErrorName } from 'node:util';

type Fd = number;
type Pointer = number;

export interface Libc {
  mmap(at: Pointer, size: number, protection: number, flags: number, fd: Fd, offset: number): Pointer;
  munmap(at: Pointer, size: number): number;
  madvise(at: Pointer, size: number, advice: number): number;
  socket(family: number, type: number, protocol: number): Fd;
  bind(fd: Fd, address: Pointer, size: number): number;
  listen(fd: Fd, backlog: number): number;
  connect(fd: Fd, address: Pointer, size: number): number;
  accept4(fd: Fd, address: Pointer, size: Pointer, flags: number): Fd;
  getsockname(fd: Fd, address: Pointer, size: Pointer): number;
  setsockopt(fd: Fd, level: number, option: number, value: Pointer, size: number): number;
  getsockopt(fd: Fd, level: number, option: number, value: Pointer, size: Pointer): number;
  shutdown(fd: Fd, how: number): number;
  close(fd: Fd): number;
  read(fd: Fd, buffer: Pointer, size: number): number;
  write(fd: Fd, buffer: Pointer, size: number): number;
  recv(fd: Fd, buffer: Pointer, size: number, flags: number): number;
  send(fd: Fd, buffer: Pointer, size: number, flags: number): number;
  recvfrom(fd: Fd, buffer: Pointer, size: number, flags: number, address: Pointer, addressSize: Pointer): number;
  sendto(fd: Fd, buffer: Pointer, size: number, flags: number, address: Pointer, addressSize: number): number;
  recvmsg(fd: Fd, message: Pointer, flags: number): number;
  sendmsg(fd: Fd, message: Pointer, flags: number): number;
  recvmmsg(fd: Fd, messages: Pointer, count: number, flags: number, timeout: Pointer): number;
  sendmmsg(fd: Fd, messages: Pointer, count: number, flags: number): number;
  splice(from: Fd, fromOffset: Pointer, to: Fd, toOffset: Pointer, size: number, flags: number): number;
  pipe2(fds: Pointer, flags: number): number;
  mkfifo(path: Pointer, mode: number): number;
  fcntl(fd: Fd, command: number, value: number): number;
  /** As it is variadic in C: with one argument, which is an address. */
  ioctl(fd: Fd, request: number, argument: Pointer): number;
  dup3(from: Fd, to: Fd, flags: number): Fd;
  epoll_create1(flags: number): Fd;
  epoll_ctl(epoll: Fd, operation: number, fd: Fd, event: Pointer): number;
  epoll_wait(epoll: Fd, events: Pointer, count: number, timeout: number): number;
  if_nametoindex(name: Pointer): number;
  if_indextoname(index: number, name: Pointer): Pointer;
  syscall(number: number, a: number, b: Pointer, c: number, d: number): number;
  /** The error of this thread's last call that failed. */
  errno(): number;
  /** The memory at an address, as an ArrayBuffer: it is not copied, and is never given back. */
  view(at: Pointer, size: number): ArrayBuffer;
  /** Gives back what is free in the allocator's memory (malloc_trim(3)): some milliseconds. Not every C library can. */
  trim(): void;
  /** Calls back, in this thread's loop, while a descriptor can be read. Keeps the process until `unref`. */
  poll(fd: Fd, readable: () => void): PollHandle;
}

/** To be kept: a handle that nobody has is collected, and calls back no more. */
export interface PollHandle {
  ref(): void;
  unref(): void;
  close(): void;
}

// koffi has no ssize_t; `long` has its size on every Linux that has koffi.
const P = 'intptr_t';
const SIGNATURES: Record<
  Exclude<keyof Libc, 'errno' | 'view' | 'trim' | 'poll'>,
  [result: string, parameters: string[]]
> = {
  mmap: [P, [P, 'int64', 'int', 'int', 'int', 'int64']],
  munmap: ['int', [P, 'size_t']],
  madvise: ['int', [P, 'size_t', 'int']],
  socket: ['int', ['int', 'int', 'int']],
  bind: ['int', ['int', P, 'int']],
  listen: ['int', ['int', 'int']],
  connect: ['int', ['int', P, 'int']],
  accept4: ['int', ['int', P, P, 'int']],
  getsockname: ['int', ['int', P, P]],
  setsockopt: ['int', ['int', 'int', 'int', P, 'int']],
  getsockopt: ['int', ['int', 'int', 'int', P, P]],
  shutdown: ['int', ['int', 'int']],
  close: ['int', ['int']],
  read: ['long', ['int', P, 'size_t']],
  write: ['long', ['int', P, 'size_t']],
  recv: ['long', ['int', P, 'size_t', 'int']],
  send: ['long', ['int', P, 'size_t', 'int']],
  recvfrom: ['long', ['int', P, 'size_t', 'int', P, P]],
  sendto: ['long', ['int', P, 'size_t', 'int', P, 'int']],
  recvmsg: ['long', ['int', P, 'int']],
  sendmsg: ['long', ['int', P, 'int']],
  recvmmsg: ['int', ['int', P, 'int', 'int', P]],
  sendmmsg: ['int', ['int', P, 'int', 'int']],
  splice: ['long', ['int', P, 'int', P, 'size_t', 'int']],
  pipe2: ['int', [P, 'int']],
  mkfifo: ['int', [P, 'uint']],
  fcntl: ['int', ['int', 'int', 'int']],
  ioctl: ['int', ['int', 'ulong', P]],
  dup3: ['int', ['int', 'int', 'int']],
  epoll_create1: ['int', ['int']],
  epoll_ctl: ['int', ['int', 'int', 'int', P]],
  epoll_wait: ['int', ['int', P, 'int', 'int']],
  if_nametoindex: ['uint', [P]],
  if_indextoname: [P, ['uint', P]],
  syscall: ['long', ['long', 'long', P, 'long', 'long']],
};

interface Koffi {
  load(library: null): { func(name: string, result: string, parameters: string[]): (...args: number[]) => number };
  errno(): number;
  view(at: bigint, size: number): ArrayBuffer;
  readonly node: { poll(fd: number, events: { readable: boolean }, callback: () => void): PollHandle };
}

let loaded: Libc | undefined;

/** The C library. Throws one line that says why it cannot be called here. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

function load(): Libc {
  if (process.platform !== 'linux') throw new Error(`native I/O needs Linux, not ${process.platform}`);
  const koffi = loadKoffi();
  const library = koffi.load(null);
  const calls = Object.entries(SIGNATURES).map(([name, [result, parameters]]) => [
    name,
    library.func(name, result, parameters),
  ]);
  const view = (at: Pointer, size: number): ArrayBuffer => koffi.view(BigInt(at), size);
  const poll: Libc['poll'] = (fd, readable) => koffi.node.poll(fd, { readable: true }, readable);
  const trim = (): void => {
    try {
      library.func('malloc_trim', 'int', ['size_t'])(0);
    } catch {
      // It is glibc's.
    }
  };
  return { ...Object.fromEntries(calls), errno: () => koffi.errno(), view, trim, poll };
}

function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi');
  } catch (error) {
    const [why] = String((error as Error).message).split('\n');
    throw new Error(
      `native I/O needs the package koffi, which does not load on ${process.platform}-${process.arch}: ${why}`,
    );
  }
}

// -------------------------------------------------------------------- errors

/** A failed call as node's own errors are: `connect ECONNREFUSED 127.0.0.1:80`, with its `code`. */
export function systemError(call: string, errno: number, where = ''): NodeJS.ErrnoException {
  const code = errorName(errno);
  const error: NodeJS.ErrnoException = new Error(`${call} ${code}${where && ` ${where}`}`);
  error.code = code;
  error.errno = -errno;
  error.syscall = call;
  return error;
}

export function errorName(errno: number): string {
  return getSystemErrorName(-errno);
}

/** What an error means, in words. */
export function errorText(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? 'unknown error';
}
