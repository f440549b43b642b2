/** The Secret that holds the webhook's certificate, for all replicas. */
import type { ApiClient } from '../kubernetes/api.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { pathOf } from '../kubernetes/resource.ts';
import { type Credentials, split } from './credentials.ts';

const SECRETS = { group: '', version: 'v1', plural: 'secrets' } as const;

export const SECRET_NAME = 'l7mp-operator-webhook';

interface SecretObject {
  readonly metadata: { readonly resourceVersion?: string };
  readonly data?: Readonly<Record<string, string>>;
}

export class CredentialsSecret {
  readonly #api: ApiClient;
  readonly #namespace: string;
  /** As it was read last; what is written is written over that one. */
  #present: SecretObject | undefined;

  constructor(api: ApiClient, namespace: string) {
    this.#api = api;
    this.#namespace = namespace;
  }

  /** What it holds, whether that serves or not; undefined where it is not there. */
  async read(signal: AbortSignal): Promise<Credentials | undefined> {
    try {
      this.#present = await this.#api.request<SecretObject>('GET', this.#path(SECRET_NAME), { signal });
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
      this.#present = undefined;
      return undefined;
    }
    const text = (name: string): string => Buffer.from(this.#present?.data?.[name] ?? '', 'base64').toString();
    return { cert: text('tls.crt'), key: text('tls.key'), authorities: split(text('ca.crt')) };
  }

  /** Throws an ApiError of 409 where somebody else has written it since it was read. */
  async write({ cert, key, authorities }: Credentials, signal: AbortSignal): Promise<void> {
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const data = { 'tls.crt': base64(cert), 'tls.key': base64(key), 'ca.crt': base64(authorities.join('\n')) };
    const labels = { 'app.kubernetes.io/managed-by': 'l7mp-operator' };
    const metadata = { name: SECRET_NAME, namespace: this.#namespace, labels };
    const fresh = { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata };
    const body = { ...fresh, ...this.#present, data };
    const [method, path] = this.#present ? ['PUT', this.#path(SECRET_NAME)] : ['POST', this.#path()];
    this.#present = await this.#api.request<SecretObject>(method, path, { body, signal });
  }

  #path(name?: string): string {
    return pathOf(SECRETS, { namespace: this.#namespace, ...(name !== undefined && { name }) });
  }
}
