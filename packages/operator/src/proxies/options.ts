import type { TlsOptions } from '@l7mp/client';
import type { ProxiesObserver } from './observer.ts';

export interface ProxiesOptions {
  /** Of the REST API of every proxy. */
  readonly port: number;
  /** The bearer token, asked for at each request; undefined for none. */
  readonly token?: () => string | undefined | Promise<string | undefined>;
  /** Of those that serve their API by https: whom to trust, and what they are shown; asked at each request. */
  readonly tls?: (() => TlsOptions) | undefined;
  readonly observer?: ProxiesObserver;
  readonly timing?: Partial<Timing>;
}

/** All in milliseconds. Chance has a part in all waits, so that proxies do not come all at once. */
export interface Timing {
  /** From one look at whether a proxy is still as it was to the next. */
  readonly interval: number;
  /** From when a proxy's changes are begun to when the next are, at least: what comes meanwhile is made together. */
  readonly spacing: number;
  /** For one request. */
  readonly timeout: number;
  /** Before a proxy that does not answer is asked again: at first, and at most. */
  readonly retry: Wait;
  /** Before a proxy is asked again for what it has refused: likewise. */
  readonly refused: Wait;
  /** A request that takes longer is slow. */
  readonly slow: number;
}

export interface Wait {
  readonly first: number;
  readonly most: number;
}

export const TIMING: Timing = {
  interval: 5000,
  spacing: 500,
  timeout: 5000,
  retry: { first: 200, most: 10_000 },
  refused: { first: 1000, most: 60_000 },
  slow: 250,
};

/** Requests under way at a time, of those that are quick; as many again that are slow. */
export const CONCURRENCY = 64;

/** Bytes of a proxy's configuration at most, as it is read. */
export const MAX_CONFIGURATION = 16 << 20;

/** After so many failures, which is 1 or more; half of it is chance. */
export function waitOf({ first, most }: Wait, failures: number): number {
  return Math.min(most, first * 2 ** Math.min(failures - 1, 20)) * (0.5 + Math.random() / 2);
}

/** From half to one and a half times as long. */
export function jittered(milliseconds: number): number {
  return milliseconds * (0.5 + Math.random());
}
