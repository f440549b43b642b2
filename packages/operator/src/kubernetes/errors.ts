/** What a request to the API server may fail with. */

/** An answer that is no success. Network errors are node's own. */
export class ApiError extends Error {
  /** The HTTP status, or the code of a watch's ERROR event. */
  readonly status: number;
  /** The machine's word for it, such as `Conflict`; empty where the server gave none. */
  readonly reason: string;
  /** How long the server asks to be left alone, in milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(status: number, { reason = '', message = '', retryAfter }: ApiFault) {
    super(message || `the API server answers ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}

interface ApiFault {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly retryAfter?: number | undefined;
}

/** Of `Status`: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
interface StatusBody {
  readonly kind?: unknown;
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly details?: { readonly retryAfterSeconds?: number };
}

/** Longest piece of an answer which is no `Status` that goes into a message. */
const MAX_QUOTED = 200;

/** From an answer's body; `retryAfter` is the header of that name, in seconds. */
export function apiError(status: number, body: string, retryAfter?: string): ApiError {
  const said = statusOf(body);
  const seconds = said?.details?.retryAfterSeconds ?? (retryAfter === undefined ? undefined : Number(retryAfter));
  return new ApiError(status, {
    reason: said?.reason,
    message: said?.message ?? `the API server answers ${status}: ${body.trim().slice(0, MAX_QUOTED)}`,
    retryAfter: seconds !== undefined && seconds >= 0 ? seconds * 1000 : undefined,
  });
}

/** From the object of a watch's ERROR event. */
export function watchError(status: StatusBody): ApiError {
  return new ApiError(status.code ?? 500, {
    reason: status.reason,
    message: status.message,
    retryAfter: status.details?.retryAfterSeconds && status.details.retryAfterSeconds * 1000,
  });
}

function statusOf(body: string): StatusBody | undefined {
  try {
    const value = JSON.parse(body) as StatusBody | null;
    return value?.kind === 'Status' ? value : undefined;
  } catch {
    return undefined;
  }
}

export function hasStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof ApiError && statuses.includes(error.status);
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node tries all addresses of a name, and sums up without words.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error.message;
}
