/** A connection to an upstream, whatever version of HTTP is spoken on it: what the pool and the sessions' channels know of one. */
import type { CloseReason, Headers, Tail } from '../../../core/channel.ts';

/** What is asked of an upstream. */
export interface RequestHead {
  readonly method: string;
  /** Path and query, or `*`. */
  readonly target: string;
  readonly scheme: 'http' | 'https';
  /** Host, and port where it is not the scheme's. */
  readonly authority: string;
  /** The fields that go on to the next hop, in lower case; `host` is not among them. */
  readonly headers: Headers;
  /** The protocol in which the client would go on, of a request without a body. HTTP/2 does not ask for it. */
  readonly upgrade?: 'websocket';
}

/** Why a request has got no whole answer. */
export interface Failure {
  /** `reset`: the connection broke; `error`: what came was no HTTP, or not what was asked for. */
  readonly kind: 'reset' | 'error';
  readonly message: string;
  /**
   * Nothing was answered. `unseen`: it is certain that the upstream has not acted on it, too (RFC 9113 section 8.7).
   */
  readonly unanswered: boolean;
  readonly unseen?: boolean;
  /** The upstream goes on with others that were sent on the same connection: asking it again leads somewhere. */
  readonly progress?: boolean;
  /** The HTTP/2 error code with which the upstream has reset the stream. */
  readonly code?: number | undefined;
}

/**
 * Hears of the answer to a request. Behind `failed` comes nothing more; behind `ended`, only `drained` and `failed`, while the
 * request is not whole.
 */
export interface AnswerReader {
  /** An informational answer, 100 to 199 but for 101. */
  informed(status: number, headers: Headers): void;
  /** The head of the answer. */
  answered(status: number, headers: Headers): void;
  /** A piece of its body, which the reader may keep. */
  received(bytes: Uint8Array): void;
  ended(trailers?: Tail): void;
  /** The upstream has agreed to the upgrade (101): `tunnel` is what the exchange has become, and is held. */
  switched(headers: Headers, tunnel: UpstreamExchange): void;
  /** More of the request's body fits, after `write` had returned false. */
  drained(): void;
  failed(failure: Failure): void;
}

/** A request on its way, and its answer. */
export interface UpstreamExchange {
  /** Sends a piece of the request's body, which is the exchange's to keep. Returns whether more fits. */
  write(bytes: Uint8Array): boolean;
  end(trailers?: Tail): void;
  /** Stops and goes on with the answer's body. */
  hold(): void;
  release(): void;
  // Nothing is heard of it after one of these. Where both directions are over, they do nothing.

  /**
   * Gives it up at once. A connection that carries one request at a time is closed by it; on HTTP/2 the upstream is told why,
   * where somebody has said so (`codeForServer`).
   */
  abort(reason?: CloseReason): void;
  /** Gives it up when what was written has left: the upstream sees that a request which has not ended is not whole. */
  breakOff(reason: CloseReason): void;
  /** Lets the request, which has ended, go its way, and throws the answer away, within the time of LINGER. */
  forget(): void;
}

/** A connection to an upstream. HTTP/1.1 carries one request at a time, HTTP/2 many. */
export interface UpstreamConnection {
  /** How many more requests it takes now. */
  readonly room: number;
  /** How many it carries. */
  readonly busy: number;
  /** It has carried one before: the upstream may have closed it meanwhile. */
  readonly used: boolean;
  /** Milliseconds that the upstream keeps it while it is idle, where it has said so. */
  readonly patience?: number;
  /**
   * Sends the head of a request, for which there is room; `bodiless`: nothing follows, and `end` is not called.
   *
   * @throws L7mpError E_HANDSHAKE where the head cannot be sent; the connection is as it was then
   */
  request(head: RequestHead, bodiless: boolean, reader: AnswerReader): UpstreamExchange;
  /** Closes it: at once where it is idle, else when what it carries is over. */
  close(): void;
}

/** Whose a connection is. */
export interface ConnectionOwner {
  /** There is room again: a request is over. Not called of a connection that takes no more. */
  free(connection: UpstreamConnection): void;
  /** It takes no more, and carries nothing. */
  gone(connection: UpstreamConnection): void;
}
