/** What the API server calls the kinds that objects name as their owners. */
import type { ApiClient } from './api.ts';
import { hasStatus } from './errors.ts';
import type { Resource } from './resource.ts';

interface ResourceList {
  readonly resources?: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

export interface Discovered extends Resource {
  readonly namespaced: boolean;
  readonly hasStatus: boolean;
}

/** How long an answer serves, in milliseconds. */
const AGE = 300_000;

export class Discovery {
  readonly #api: ApiClient;
  /** By API version. */
  readonly #lists = new Map<string, { readonly asked: number; readonly list: Promise<ResourceList> }>();

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Undefined for a kind that the server does not have. Throws what requests throw. */
  async find(apiVersion: string, kind: string): Promise<Discovered | undefined> {
    const resources = (await this.#list(apiVersion)).resources ?? [];
    const found = resources.find((one) => one.kind === kind && !one.name.includes('/'));
    if (!found) return undefined;
    const [version = '', group = ''] = apiVersion.split('/').reverse();
    const { name: plural, namespaced } = found;
    return { group, version, plural, namespaced, hasStatus: resources.some(({ name }) => name === `${plural}/status`) };
  }

  #list(apiVersion: string): Promise<ResourceList> {
    const known = this.#lists.get(apiVersion);
    const now = performance.now();
    if (known && now - known.asked < AGE) return known.list;
    const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const list = this.#api.request<ResourceList>('GET', path).catch((error): ResourceList => {
      if (hasStatus(error, 404)) return {};
      this.#lists.delete(apiVersion);
      throw error;
    });
    this.#lists.set(apiVersion, { asked: now, list });
    return list;
  }
}
