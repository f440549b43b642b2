/** What a route does about connections that fail. */
export interface Retry {
  readonly retry_on: 'never' | 'connect-failure' | 'disconnect' | 'always';
  /** Attempts after the first. */
  readonly num_retries: number;
  /** Milliseconds: the time of one attempt, and the wait before endpoints are tried once more. */
  readonly timeout: number;
}

export const DEFAULT_RETRY: Retry = { retry_on: 'never', num_retries: 1, timeout: 2000 };
