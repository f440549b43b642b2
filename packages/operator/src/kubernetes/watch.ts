/** One watch: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
import type { ApiClient } from './api.ts';
import { watchError } from './errors.ts';
import { Lines } from './lines.ts';
import type { RawObject } from './list.ts';

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: RawObject;
}

export interface WatchOptions {
  readonly resourceVersion: string;
  /** After so many milliseconds the server is to end it; some spread keeps watches from ending all at once. */
  readonly duration: number;
  /**
   * Milliseconds without a byte after which the connection is held for dead. Servers send a bookmark about once a minute; one
   * that does not is asked again at this interval, which costs it little.
   */
  readonly silence: number;
  /** Milliseconds for the answer's head. */
  readonly patience: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the server ends it in good order. Throws an ApiError for a refusal or an ERROR event (410: what there was at this
 * version is forgotten), an Error when the connection breaks or is silent.
 */
export async function watch(
  api: ApiClient,
  path: string,
  options: WatchOptions,
  onEvent: (event: WatchEvent) => void,
): Promise<void> {
  const { resourceVersion, duration, silence, patience, signal } = options;
  const dead = new AbortController();
  let timer = setTimeout(() => dead.abort(new Error(`GET ${path}: no answer in ${patience} ms`)), patience);
  const query = {
    watch: true,
    resourceVersion,
    allowWatchBookmarks: true,
    timeoutSeconds: Math.ceil(duration / 1000),
  };
  const lines = new Lines((line) => {
    const { type, object } = JSON.parse(line);
    if (type === 'ERROR') throw watchError(object);
    onEvent({ type, object });
  });
  try {
    const answer = await api.open('GET', path, { query, signal: AbortSignal.any([signal, dead.signal]) });
    clearTimeout(timer);
    timer = setTimeout(() => dead.abort(new Error(`the watch of ${path} was silent for ${silence} ms`)), silence);
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      timer.refresh();
      lines.push(chunk);
    }
  } catch (error) {
    throw dead.signal.aborted ? dead.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}
