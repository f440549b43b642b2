/** What a client may do on one HTTP/2 connection. */
import type { ServerSessionOptions } from 'node:http2';

/** Requests at a time; one more is refused (REFUSED_STREAM), and a client that goes on is cut off. */
const MAX_STREAMS = 100;

/**
 * Bytes of a request's body that may be on their way, or wait here because the endpoint is slow. What a held stream keeps is no
 * one else's: the connection's window opens as bytes arrive.
 */
const STREAM_WINDOW = 256 << 10;
export const CONNECTION_WINDOW = 1 << 20;

/**
 * Bytes of a head as RFC 9113 section 6.5.2 counts them, and its fields, each of which counts for 32. A head that is larger is
 * answered ENHANCE_YOUR_CALM; one that is a little smaller gets its 431.
 */
const MAX_HEADER_LIST = 64 << 10;
const MAX_HEADER_FIELDS = MAX_HEADER_LIST / 32;

/**
 * Streams that a client may open and take back: so many at once, and so many per second in the long run (CVE-2023-44487). What
 * makes us reset them, as frames that are wrong, counts alike (CVE-2025-8671).
 */
export const RESETS = { burst: 200, rate: 33 };

// nghttp2 itself bounds CONTINUATION frames (8), answers to PING and SETTINGS that the client does not read (1,000), and frames
// that make it reset a stream; node bounds empty frames (1,000) and what a session holds (10 MB).
export const SESSION_OPTIONS: ServerSessionOptions = {
  streamResetBurst: RESETS.burst,
  streamResetRate: RESETS.rate,
  maxHeaderListPairs: MAX_HEADER_FIELDS,
  settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: STREAM_WINDOW, maxHeaderListSize: MAX_HEADER_LIST },
};
