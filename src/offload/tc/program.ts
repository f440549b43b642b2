/** The program and its maps, loaded into the kernel. Nothing is pinned: they are gone with the process. */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ownFile } from '../../own-file.ts';
import { type Entry, KEY4 } from './entries.ts';
import { errorName, type Native } from './libbpf.ts';

const OBJECT = fileURLToPath(ownFile('offload/tc/udp.bpf.o'));

/** BPF_NOEXIST, BPF_EXIST */
const CREATE = 1;
const REPLACE = 2;
/** sizeof(struct counter), in bytes and in words of 64 bits. */
const COUNTER = 64;
const WORDS = COUNTER / 8;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;

export interface Counter {
  readonly packets: number;
  readonly bytes: number;
  /** CLOCK_MONOTONIC in nanoseconds; 0 if no packet came. */
  readonly last: number;
}

export class Program {
  readonly fd: number;
  readonly #native: Native;
  readonly #object: number;
  readonly #flows4: number;
  readonly #flows6: number;
  readonly #length: number;
  readonly #at: number;
  #counters: BigUint64Array | undefined;

  /** `flows`: how many fit. Throws an Error that says what the kernel refuses. */
  constructor(native: Native, flows: number) {
    this.#native = native;
    const { bpf, libc } = native;
    // libbpf says less well that a file is missing.
    readFileSync(OBJECT);
    this.#object = bpf.openFile(OBJECT, null);
    if (this.#object === 0) throw new Error(`${OBJECT}: ${errorName(native.errno())}`);
    try {
      for (const name of ['flows4', 'flows6', 'counters']) bpf.setMaxEntries(this.#map(name), 2 * flows);
      const error = bpf.load(this.#object);
      if (error < 0) throw new Error(refusal(error));
      this.#flows4 = bpf.mapFd(this.#map('flows4'));
      this.#flows6 = bpf.mapFd(this.#map('flows6'));
      this.fd = bpf.programFd(bpf.findProgram(this.#object, 'l7mp_udp'));
      this.#length = 2 * flows * COUNTER;
      this.#at = libc.mmap(0, this.#length, PROT_READ_WRITE, MAP_SHARED, bpf.mapFd(this.#map('counters')), 0);
      if (this.#at === -1) throw new Error(`the counters cannot be mapped: ${errorName(native.errno())}`);
      this.#counters = new BigUint64Array(native.view(this.#at, this.#length));
    } catch (error) {
      bpf.closeObject(this.#object);
      throw error;
    }
  }

  /** Both or neither; returns why not. */
  add(first: Entry, second: Entry): string | undefined {
    const why = this.#update(first, CREATE);
    if (why) return why;
    const whyNot = this.#update(second, CREATE);
    if (whyNot) this.remove(first.key);
    return whyNot;
  }

  /** Replaces an entry in one step, for a packet that comes meanwhile. */
  replace(entry: Entry): void {
    this.#update(entry, REPLACE);
  }

  remove(key: Buffer): void {
    this.#native.bpf.mapDelete(this.#flowsFor(key), key);
  }

  counter(slot: number): Counter {
    const counters = this.#counters;
    const at = slot * WORDS;
    if (!counters) return { packets: 0, bytes: 0, last: 0 };
    return { packets: Number(counters[at]), bytes: Number(counters[at + 1]), last: Number(counters[at + 2]) };
  }

  reset(slot: number): void {
    this.#counters?.fill(0n, slot * WORDS, (slot + 1) * WORDS);
  }

  close(): void {
    if (!this.#counters) return;
    this.#counters = undefined;
    this.#native.libc.munmap(this.#at, this.#length);
    this.#native.bpf.closeObject(this.#object);
  }

  #flowsFor(key: Buffer): number {
    return key.length === KEY4 ? this.#flows4 : this.#flows6;
  }

  #map(name: string): number {
    const map = this.#native.bpf.findMap(this.#object, name);
    if (map === 0) throw new Error(`${OBJECT} has no map ${name}`);
    return map;
  }

  #update({ key, value }: Entry, flags: number): string | undefined {
    const result = this.#native.bpf.mapUpdate(this.#flowsFor(key), key, value, flags);
    if (result >= 0) return undefined;
    const error = errorName(result);
    if (error === 'E2BIG') return 'the map of flows is full';
    if (error === 'EEXIST') return 'there is such a flow already';
    return `the map of flows: ${error}`;
  }
}

function refusal(error: number): string {
  const name = errorName(error);
  if (name === 'EPERM' || name === 'EACCES')
    return `the kernel does not let this process load programs (${name}): CAP_BPF and CAP_NET_ADMIN are needed`;
  return `kernel ${release()} does not take the program (${name}); Linux 5.12 or later is needed`;
}
