import { endianness } from 'node:os';
import type { Offload } from './engine.ts';
import { nullOffload } from './null.ts';
import { TcOffload, type TcOptions } from './tc/index.ts';
import { loadNative } from './tc/libbpf.ts';

/** The offload engine of this machine, or the null engine with the reason why there is none. Never throws. */
export function openOffload(options: TcOptions): Offload {
  if (process.platform !== 'linux') return nullOffload(`kernel offload is Linux's, and this is ${process.platform}`);
  if (endianness() === 'BE') return nullOffload('the eBPF object is for little-endian machines');
  try {
    return new TcOffload(loadNative(), options);
  } catch (error) {
    return nullOffload((error as Error).message);
  }
}
