/** A complete list, page by page. */
import type { ApiClient } from './api.ts';
import { hasStatus } from './errors.ts';

/** An object as the API server sends it. */
export interface RawObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly resourceVersion: string };
}

interface Page {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly RawObject[] | null;
}

export interface Listed<T> {
  readonly items: T[];
  /** From which a watch goes on. */
  readonly resourceVersion: string;
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks */
const PAGE = 500;

/**
 * All objects below the path, as of one version, which is the newest: without a `resourceVersion` in the query no server answers
 * from an old cache. Each page is decoded as it comes, so that what is not of interest is not kept. Throws what requests throw; half a
 * list is none.
 */
export async function list<T>(
  api: ApiClient,
  path: string,
  decode: (raw: RawObject) => T,
  signal?: AbortSignal,
): Promise<Listed<T>> {
  try {
    return await pages(api, path, decode, signal, PAGE);
  } catch (error) {
    // The list had changed too much to go on with: the answer offers to go on with another version, which is no list either.
    if (!hasStatus(error, 410)) throw error;
    return pages(api, path, decode, signal, undefined);
  }
}

async function pages<T>(
  api: ApiClient,
  path: string,
  decode: (raw: RawObject) => T,
  signal: AbortSignal | undefined,
  limit: number | undefined,
): Promise<Listed<T>> {
  const items: T[] = [];
  for (let next: string | undefined; ; ) {
    const query = { limit, continue: next };
    const page: Page = await api.request('GET', path, { query, signal });
    const { resourceVersion, continue: rest } = page.metadata ?? {};
    if (!resourceVersion) throw new Error(`GET ${path}: the answer is no list`);
    for (const raw of page.items ?? []) items.push(decode(raw));
    if (!rest) return { items, resourceVersion };
    next = rest;
  }
}
