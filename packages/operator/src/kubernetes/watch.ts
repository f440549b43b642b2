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
   * Milliseconds after that until the connection is held for dead. Silence alone tells nothing: bookmarks come when the server
   * likes, and where nothing changes there is nothing to say. A host that is gone is found by the kernel, long before.
   */
  readonly slack: number;
  /** Milliseconds for the answer's head. */
  readonly patience: number;
  readonly signal: AbortSignal;
  /** The server has taken it. */
  opened?(): void;
}

/**
 * Resolves when the server ends it in good order. Throws an ApiError for a refusal or an ERROR event (410: what there was at this
 * version is forgotten), an Error when the connection breaks or hangs.
 */
export async function watch(
  api: ApiClient,
  path: string,
  options: WatchOptions,
  onEvent: (event: WatchEvent) => void,
): Promise<void> {
  const { resourceVersion, duration, slack, patience, signal } = options;
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
    options.opened?.();
    const late = (): void => dead.abort(new Error(`the watch of ${path} has not ended when it should have`));
    timer = setTimeout(late, duration + slack);
    for await (const chunk of answer as AsyncIterable<Buffer>) lines.push(chunk);
  } catch (error) {
    throw dead.signal.aborted ? dead.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}
