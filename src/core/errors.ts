import { STATUS_CODES } from 'node:http';

export interface ErrorKind {
  readonly status: number;
  readonly doc: string;
  /** What clients of a session are told, with the code. */
  readonly told?: string;
}

/**
 * Every error that a user can meet, in one table: its code, the HTTP status that the REST API and the HTTP listener
 * answer with, what it means, and what clients are told. Error codes are stable; texts may change.
 *
 * @example const { status } = ERRORS.E_CONNECT; // 502
 */
export const ERRORS = {
  E_PARSE: { status: 400, doc: 'The text is neither valid JSON nor valid YAML.' },
  E_REQUEST: { status: 400, doc: 'The Host or a query parameter of a request is not valid.' },
  E_DUPLICATE: { status: 400, doc: 'An object of that kind and name exists already.' },
  E_MISMATCH: { status: 400, doc: 'The name in the body is not the name in the path.' },
  E_POSITION: { status: 400, doc: 'A rule cannot be inserted there: the position lies outside the rulelist.' },
  E_BIND: { status: 400, doc: 'The address, port or path cannot be listened on.' },
  E_FILE: { status: 400, doc: 'A file or directory cannot be read or written.' },
  E_CERTIFICATE: { status: 400, doc: 'A certificate or a key cannot be used.' },
  E_UNSUPPORTED: { status: 400, doc: 'This build, kernel or protocol cannot do what is asked.' },
  E_UNAUTHORIZED: { status: 401, doc: 'The REST API wants a token, and this request has none that it knows.' },
  E_FORBIDDEN: {
    status: 403,
    doc: 'Not allowed: the role may only read, the Host or Origin is foreign, or the start-up file alone may say this.',
    told: 'not allowed',
  },
  E_UNKNOWN: { status: 404, doc: 'There is no object of that kind and name, or no rule at that position.' },
  E_NOT_FOUND: { status: 404, doc: 'No such REST API operation, path or route.', told: 'there is nothing here' },
  E_NO_ROUTE: {
    status: 404,
    doc: 'No rule matches the session, or the rule leads to an object that is not there.',
    told: 'no rule leads to a service',
  },
  E_REQUEST_TIMEOUT: {
    status: 408,
    doc: 'The request did not come in time.',
    told: 'the request did not come in time',
  },
  E_CONFLICT: { status: 409, doc: 'The change would close the listener through which it was asked for.' },
  E_PRECONDITION: { status: 412, doc: 'The configuration has changed since the version that the request names.' },
  E_BODY_SIZE: {
    status: 413,
    doc: 'The request body is larger than the limit (1 MiB by default).',
    told: 'the body is too large',
  },
  E_MEDIA_TYPE: { status: 415, doc: 'The request body is of a type that is neither JSON nor YAML.' },
  E_INVALID: { status: 422, doc: 'The object does not fit its schema; the field is named.' },
  E_INTERNAL: { status: 500, doc: 'A defect of the proxy.', told: 'internal error' },
  E_STATE: { status: 500, doc: 'The state file cannot be written; the change was undone.' },
  E_CONNECT: {
    status: 502,
    doc: 'The connection to an endpoint could not be made.',
    told: 'the service cannot be reached',
  },
  E_HANDSHAKE: {
    status: 502,
    doc: 'The endpoint broke the protocol while the connection was made.',
    told: 'the service did not take the connection',
  },
  E_DISCONNECT: {
    status: 502,
    doc: 'The connection to an endpoint broke.',
    told: 'the connection to the service broke',
  },
  E_NO_ENDPOINT: {
    status: 503,
    doc: 'The cluster has no endpoint that takes new sessions.',
    told: 'no endpoint is available',
  },
  E_LIMIT: { status: 503, doc: 'A limit on sessions is reached.', told: 'too many sessions' },
  E_TIMEOUT: {
    status: 504,
    doc: 'The endpoint did not answer within the time of an attempt.',
    told: 'the service did not answer in time',
  },
} as const satisfies Record<string, ErrorKind>;

/** The code of an error: one of the keys of `ERRORS`. */
export type ErrorCode = keyof typeof ERRORS;

/**
 * The code of the cause of an E_HANDSHAKE that is due to who is at the other end, and to nothing that a client has asked
 * for: a certificate that does not hold, another protocol. What the system says is of the same sort (connect(2)).
 */
export const WRONG_PEER = 'EPROTO';

/** What is wrong with one field. */
export interface Problem {
  /** A JSON pointer to it; empty where it is not known. */
  readonly path: string;
  readonly message: string;
}

/** Problems that are told at a time. */
export const MAX_PROBLEMS = 10;

/**
 * An error with a stable code. `message` is one line that tells a user what is wrong and where.
 *
 * @example throw new L7mpError('E_HANDSHAKE', `${address}: the peer speaks version ${version}`, { cause });
 */
export class L7mpError extends Error {
  readonly code: ErrorCode;
  readonly #problems: readonly Problem[] | undefined;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { problems?: readonly Problem[] }) {
    super(message, options);
    this.name = 'L7mpError';
    this.code = code;
    this.#problems = options?.problems;
  }

  /** What is wrong, field by field; what has no more to say than `message` is one problem. */
  get problems(): readonly Problem[] {
    if (this.#problems) return this.#problems;
    const [, path = '', message = this.message] = /^(\/[^\s:]*): (.*)$/s.exec(this.message) ?? [];
    return [{ path, message }];
  }

  /** The HTTP status that stands for this error. */
  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** E_INVALID for the first problems, at most as many as are told at a time. `/` is the path of the whole value. */
export function invalid(...problems: readonly Problem[]): L7mpError {
  const told = problems.slice(0, MAX_PROBLEMS);
  const text = told.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return new L7mpError('E_INVALID', text, { problems: told });
}

/**
 * Any thrown value as an L7mpError: ours as it is, others under `fallback` with their own text.
 *
 * @example socket.once('error', (error) => reject(asL7mpError(error, 'E_CONNECT')));
 */
export function asL7mpError(thrown: unknown, fallback: ErrorCode = 'E_INTERNAL'): L7mpError {
  if (thrown instanceof L7mpError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new L7mpError(fallback, text, { cause: thrown });
}

/** The JSON with which the REST API and the HTTP listeners answer an error; `content` says what is wrong. */
export function errorBody(status: number, content: string): { status: number; message: string; content: string } {
  return { status, message: STATUS_CODES[status] ?? 'Error', content };
}
