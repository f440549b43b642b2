/** What the system grants the process, and what of it traffic may have by default. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** What a configuration may set; see `Limits`. */
export type LimitsInput = { readonly [field in keyof Limits]?: number };

/** The limits of the whole proxy. */
export interface Limits {
  /** Live sessions. */
  readonly max_sessions: number;
  /** Sockets of traffic. */
  readonly max_connections: number;
  /** Descriptors that traffic leaves free. */
  readonly reserved_descriptors: number;
  /** Bytes of the process from which on no session is begun. */
  readonly memory: number;
}

export interface System {
  /** Descriptors that the process may have; Infinity where nothing says. */
  readonly descriptors: number;
  /** Bytes that the machine, or the control group, has. */
  readonly memory: number;
}

/** Of the memory: the rest is for what is being put together, and for the system. */
const MEMORY_SHARE = 0.8;

/** Bytes that a session is reckoned at: 2 KiB is an idle one of UDP, 30 KiB a WebSocket. */
const SESSION_BYTES = 16 << 10;

const MOST_SESSIONS = 1_000_000;
const FEWEST_SESSIONS = 1000;

/** Descriptors that are reserved, where there are many, and the share of them where there are few. */
const RESERVED = 256;
const RESERVED_SHARE = 1 / 8;

/** What this process has. Node has raised its soft limit on descriptors to the hard one when it started. */
export function readSystem(): System {
  // 0 and 2^64 - 1 say that there is no control group, or that it sets no limit.
  const constrained = process.constrainedMemory?.() ?? 0;
  const total = totalmem();
  return { descriptors: readDescriptors(), memory: constrained > 0 ? Math.min(constrained, total) : total };
}

/** proc(5): the soft limit is the first number. */
function readDescriptors(): number {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The limits, those that are not given derived from the system. */
export function deriveLimits({ descriptors, memory: all }: System, given: LimitsInput = {}): Limits {
  const memory = given.memory ?? Math.floor(all * MEMORY_SHARE);
  const few = Number.isFinite(descriptors) ? Math.floor(descriptors * RESERVED_SHARE) : RESERVED;
  const reserved = given.reserved_descriptors ?? Math.min(RESERVED, few);
  const sessions = Math.min(MOST_SESSIONS, Math.max(FEWEST_SESSIONS, Math.floor(memory / SESSION_BYTES)));
  const connections = Number.isFinite(descriptors) ? Math.max(0, descriptors - reserved) : 2 * MOST_SESSIONS;
  return {
    max_sessions: given.max_sessions ?? sessions,
    max_connections: given.max_connections ?? connections,
    reserved_descriptors: reserved,
    memory,
  };
}
