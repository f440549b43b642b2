import type { Retry } from '../model/retry.ts';

/** A route's `retry`, ready for use. */
export interface RetryPolicy {
  readonly onConnectFailure: boolean;
  readonly onDisconnect: boolean;
  readonly retries: number;
  /** Milliseconds between attempts, and for each where neither listener nor cluster has a connect_timeout. */
  readonly wait: number;
  /** The listener's bound of an attempt to connect, in milliseconds. */
  readonly connectTimeout: number | undefined;
}

export function retryPolicy(
  { retry_on: on, num_retries: retries, timeout }: Retry,
  connectTimeout: number | undefined,
): RetryPolicy {
  return {
    onConnectFailure: on === 'connect-failure' || on === 'always',
    onDisconnect: on === 'disconnect' || on === 'always',
    retries,
    wait: timeout,
    connectTimeout,
  };
}
