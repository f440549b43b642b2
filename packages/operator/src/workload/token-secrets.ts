/**
 * Brings the token of the proxies' REST API to where proxies of ours run: a Secret in their namespace. It is named by what it holds,
 * and never changes: so it is enough to be allowed to create Secrets, and read none. Another token makes another Secret, and
 * another template for the pods, which are replaced then.
 */
import { createHash } from 'node:crypto';
import type { ApiClient } from '../kubernetes/api.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { pathOf } from '../kubernetes/resource.ts';
import type { SecretKey } from './proxy.ts';

const SECRETS = { group: '', version: 'v1', plural: 'secrets' } as const;

const KEY = 'token';

/** Milliseconds for which a Secret that was there is taken to be there still. */
const KNOWN = 300_000;

export class TokenSecrets {
  readonly #api: ApiClient;
  readonly #token: () => Promise<string | undefined>;
  /** By namespace: the name of its Secret, and when it was there, in milliseconds of `performance.now()`. */
  readonly #known = new Map<string, { readonly name: string; readonly at: number }>();

  /** `token`: as it is now; undefined where proxies ask for none. */
  constructor(api: ApiClient, token: () => Promise<string | undefined>) {
    this.#api = api;
    this.#token = token;
  }

  /** Where pods find the token, in their namespace; undefined where there is none. */
  async secret(): Promise<SecretKey | undefined> {
    const token = await this.#token();
    return token === undefined ? undefined : { name: nameOf(token), key: KEY };
  }

  /** Makes the Secret where it is not there. Throws what requests throw. */
  async provide(namespace: string, signal: AbortSignal): Promise<void> {
    const token = await this.#token();
    if (token === undefined) return;
    const name = nameOf(token);
    const known = this.#known.get(namespace);
    if (known?.name === name && performance.now() - known.at < KNOWN) return;
    await this.#create(namespace, name, token, signal);
    this.#known.set(namespace, { name, at: performance.now() });
  }

  async #create(namespace: string, name: string, token: string, signal: AbortSignal): Promise<void> {
    const body = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'l7mp-operator' } },
      immutable: true,
      data: { [KEY]: Buffer.from(token).toString('base64') },
    };
    try {
      await this.#api.request('POST', pathOf(SECRETS, { namespace }), { body, signal });
    } catch (error) {
      if (!hasStatus(error, 409)) throw error;
    }
  }
}

function nameOf(token: string): string {
  return `l7mp-proxy-token-${createHash('sha256').update(token).digest('hex').slice(0, 10)}`;
}
