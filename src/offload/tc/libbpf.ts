/** Prototypes of libbpf 1.x and of the few system calls beside it, through koffi. The only file here that knows it. */
import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';

type Koffi = typeof import('koffi');

/** Addresses are Numbers: user space ends at 2^47, or 2^56. */
type Pointer = number;

export interface Libbpf {
  openFile(path: string, options: null): Pointer;
  load(object: Pointer): number;
  closeObject(object: Pointer): void;
  findMap(object: Pointer, name: string): Pointer;
  setMaxEntries(map: Pointer, n: number): number;
  mapFd(map: Pointer): number;
  findProgram(object: Pointer, name: string): Pointer;
  programFd(program: Pointer): number;
  mapUpdate(fd: number, key: Buffer, value: Buffer, flags: number): number;
  mapDelete(fd: number, key: Buffer): number;
  linkCreate(program: number, target: number, type: number, options: null): number;
  tcHookCreate(hook: Buffer): number;
  tcAttach(hook: Buffer, options: Buffer): number;
  tcDetach(hook: Buffer, options: Buffer): number;
  tcQuery(hook: Buffer, options: Buffer): number;
}

export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  send(fd: number, bytes: Buffer, length: number, flags: number): number;
  recv(fd: number, bytes: Buffer, length: number, flags: number): number;
  close(fd: number): number;
  mmap(at: Pointer, length: number, protection: number, flags: number, fd: number, offset: number): Pointer;
  munmap(at: Pointer, length: number): number;
}

export interface Native {
  readonly bpf: Libbpf;
  readonly libc: Libc;
  /** Of the last call. */
  errno(): number;
  /** Memory outside of the heap: nothing keeps it from being unmapped. */
  view(at: Pointer, length: number): ArrayBuffer;
}

let native: Native | undefined;

/** Throws an Error that says what is missing. */
export function loadNative(): Native {
  native ??= open();
  return native;
}

/** `EPERM` for 1, or -1. */
export function errorName(errno: number): string {
  return getSystemErrorName(-Math.abs(errno));
}

function open(): Native {
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (error) {
    throw new Error(`koffi, the foreign function interface, cannot be loaded: ${firstLine(error)}`);
  }
  return {
    bpf: openLibbpf(koffi),
    libc: openLibc(koffi),
    errno: () => koffi.errno(),
    view: (at, length) => koffi.view(at, length),
  };
}

function openLibbpf(koffi: Koffi): Libbpf {
  let library: ReturnType<Koffi['load']>;
  try {
    library = koffi.load('libbpf.so.1');
  } catch (error) {
    throw new Error(`libbpf.so.1 cannot be loaded (Debian: libbpf1): ${firstLine(error)}`);
  }
  // libbpf writes to stderr, unless it is told not to.
  library.func('libbpf_set_print', 'void *', ['void *'])(null);
  const object = 'intptr_t';
  const f = (name: string, result: string, ...args: string[]): never => library.func(name, result, args) as never;
  return {
    openFile: f('bpf_object__open_file', object, 'str', 'void *'),
    load: f('bpf_object__load', 'int', object),
    closeObject: f('bpf_object__close', 'void', object),
    findMap: f('bpf_object__find_map_by_name', object, object, 'str'),
    setMaxEntries: f('bpf_map__set_max_entries', 'int', object, 'uint32'),
    mapFd: f('bpf_map__fd', 'int', object),
    findProgram: f('bpf_object__find_program_by_name', object, object, 'str'),
    programFd: f('bpf_program__fd', 'int', object),
    mapUpdate: f('bpf_map_update_elem', 'int', 'int', 'void *', 'void *', 'uint64'),
    mapDelete: f('bpf_map_delete_elem', 'int', 'int', 'void *'),
    linkCreate: f('bpf_link_create', 'int', 'int', 'int', 'int', 'void *'),
    tcHookCreate: f('bpf_tc_hook_create', 'int', 'void *'),
    tcAttach: f('bpf_tc_attach', 'int', 'void *', 'void *'),
    tcDetach: f('bpf_tc_detach', 'int', 'void *', 'void *'),
    tcQuery: f('bpf_tc_query', 'int', 'void *', 'void *'),
  };
}

function openLibc(koffi: Koffi): Libc {
  // What the process itself has loaded: glibc or musl.
  const library = koffi.load(null);
  const f = (name: string, result: string, ...args: string[]): never => library.func(name, result, args) as never;
  return {
    socket: f('socket', 'int', 'int', 'int', 'int'),
    bind: f('bind', 'int', 'int', 'void *', 'uint32'),
    send: f('send', 'long', 'int', 'void *', 'size_t', 'int'),
    recv: f('recv', 'long', 'int', 'void *', 'size_t', 'int'),
    close: f('close', 'int', 'int'),
    mmap: f('mmap', 'intptr_t', 'intptr_t', 'size_t', 'int', 'int', 'int', 'long'),
    munmap: f('munmap', 'int', 'intptr_t', 'size_t'),
  };
}

function firstLine(error: unknown): string {
  return String((error as Error).message).split('\n', 1)[0] as string;
}
