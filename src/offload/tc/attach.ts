/**
 * Puts the program in the way of what comes in on an interface. By TCX (Linux 6.6), where the link is a file of this
 * process and ends with it; else as a filter of the clsact qdisc, which stays: a reaper, a process of its own, takes
 * it away when this one is gone. Other programs and filters are not touched, and the qdisc is left for them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ownModule } from '../../own-file.ts';
import { errorName, type Native } from './libbpf.ts';

export type Means = 'tcx' | 'clsact';

export interface Attachment {
  readonly means: Means;
  detach(): void;
}

/** A filter of ours, for the reaper. */
export interface Filter {
  readonly interface: number;
  readonly priority: number;
  readonly handle: number;
  /** The program's id: the kernel's proof that it is ours. */
  readonly program: number;
}

const BPF_TCX_INGRESS = 46;
const BPF_TC_INGRESS = 1;
/** struct bpf_tc_hook, struct bpf_tc_opts (libbpf.h) */
const HOOK = 24;
const OPTIONS = 32;
const AT = { fd: 8, program: 16, handle: 20, priority: 24 } as const;

const REAPER = fileURLToPath(ownModule('offload/tc/reaper'));

export class Attacher {
  readonly #native: Native;
  readonly #program: number;
  readonly #only: Means | undefined;
  #reaper: ChildProcess | undefined;

  /** `only`: by this means or not at all. */
  constructor(native: Native, program: number, only: Means | undefined) {
    this.#native = native;
    this.#program = program;
    this.#only = only;
  }

  /** Attaches to an interface of the calling thread's network namespace. Returns why not, where that fails. */
  attach(index: number): Attachment | string {
    if (this.#only !== 'clsact') {
      const link = this.#native.bpf.linkCreate(this.#program, index, BPF_TCX_INGRESS, null);
      if (link >= 0) return { means: 'tcx', detach: () => this.#native.libc.close(link) };
      // What a kernel says to a kind of link that it does not know.
      if (this.#only === 'tcx' || errorName(link) !== 'EINVAL') return `TCX: ${errorName(link)}`;
    }
    return this.#clsact(index);
  }

  close(): void {
    this.#reaper?.stdin?.end();
    this.#reaper = undefined;
  }

  #clsact(index: number): Attachment | string {
    const { bpf } = this.#native;
    const hook = hookOf(index);
    const made = bpf.tcHookCreate(hook);
    if (made < 0 && errorName(made) !== 'EEXIST') return `clsact: ${errorName(made)}`;
    const options = optionsOf();
    options.writeInt32LE(this.#program, AT.fd);
    const error = bpf.tcAttach(hook, options);
    if (error < 0) return `clsact: ${errorName(error)}`;
    const filter: Filter = {
      interface: index,
      priority: options.readUInt32LE(AT.priority),
      handle: options.readUInt32LE(AT.handle),
      program: options.readUInt32LE(AT.program),
    };
    this.#tell('+', filter);
    return {
      means: 'clsact',
      detach: () => {
        removeFilter(this.#native, filter);
        this.#tell('-', filter);
      },
    };
  }

  #tell(sign: '+' | '-', filter: Filter): void {
    this.#reaper ??= startReaper();
    this.#reaper.stdin?.write(`${sign}${JSON.stringify(filter)}\n`);
  }
}

/** Takes the filter away, unless another program has taken its place. */
export function removeFilter({ bpf }: Native, { interface: index, priority, handle, program }: Filter): void {
  const hook = hookOf(index);
  const found = optionsOf(priority, handle);
  if (bpf.tcQuery(hook, found) < 0 || found.readUInt32LE(AT.program) !== program) return;
  bpf.tcDetach(hook, optionsOf(priority, handle));
}

/** Its input ends with this process, by whatever end. A session of its own: what is sent to our group spares it. */
function startReaper(): ChildProcess {
  const reaper = spawn(process.execPath, [REAPER], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  reaper.unref();
  reaper.on('error', () => {});
  reaper.stdin?.on('error', () => {});
  (reaper.stdin as unknown as { unref(): void }).unref();
  return reaper;
}

function hookOf(index: number): Buffer {
  const hook = Buffer.alloc(HOOK);
  hook.writeBigUInt64LE(BigInt(HOOK), 0);
  hook.writeInt32LE(index, 8);
  hook.writeInt32LE(BPF_TC_INGRESS, 12);
  return hook;
}

function optionsOf(priority = 0, handle = 0): Buffer {
  const options = Buffer.alloc(OPTIONS);
  options.writeBigUInt64LE(BigInt(OPTIONS), 0);
  options.writeUInt32LE(handle, AT.handle);
  options.writeUInt32LE(priority, AT.priority);
  return options;
}
