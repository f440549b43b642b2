/** What can go wrong with a request. All of it is a `ClientError`; what an `AbortSignal` ends rejects with the signal's reason. */

export class ClientError extends Error {
  override name = 'ClientError';
}

/**
 * The proxy has answered with an error.
 *
 * @example
 * try {
 *   await client.delete('/clusters/{name}', { params: { name: 'web' } });
 * } catch (error) {
 *   if (!(error instanceof ApiError && error.status === 404)) throw error;
 * }
 */
export class ApiError extends ClientError {
  override name = 'ApiError';
  /** The HTTP status, from 400 on. */
  readonly status: number;
  /** What is wrong, and in which field, in the proxy's words; a path in it leads into the body that was sent. */
  readonly reason: string;
  /** The version of the configuration, where the proxy said it: with 412 the present one. */
  readonly etag: string | undefined;

  constructor(request: string, status: number, reason: string, etag: string | undefined) {
    super(`${request}: ${status}${reason ? ` ${reason}` : ''}`);
    this.status = status;
    this.reason = reason;
    this.etag = etag;
  }
}

/** The proxy cannot be reached, or has not answered to the end: whether it has got the request, nobody knows, but for `unsent`. */
export class UnreachableError extends ClientError {
  override name = 'UnreachableError';
  /** Of the system, such as ECONNREFUSED; `ETIMEDOUT` also when the time of the request was over. */
  readonly code: string;
  /** The request has certainly not arrived. */
  readonly unsent: boolean;

  constructor(request: string, code: string, reason: string, unsent: boolean) {
    super(`${request}: ${reason}`);
    this.code = code;
    this.unsent = unsent;
  }
}

/** What was answered is no JSON, or longer than `maxAnswer`. */
export class AnswerError extends ClientError {
  override name = 'AnswerError';
}
