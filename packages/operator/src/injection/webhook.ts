/** Puts a proxy into pods that are annotated with `l7mp.io/inject: "true"`. */
import { isIP } from 'node:net';
import type { ApiClient } from '../kubernetes/api.ts';
import { messageOf } from '../kubernetes/errors.ts';
import type { TokenSecrets } from '../workload/token-secrets.ts';
import type { Place } from './configuration.ts';
import type { Credentials } from './credentials.ts';
import { type InjectionOptions, InvalidPod, inject, wantsProxy } from './inject.ts';
import { type AdmissionRequest, answer, parseReview } from './review.ts';
import { Rotation } from './rotation.ts';
import { PATH, WebhookServer } from './server.ts';

export interface WebhookOptions {
  readonly api: ApiClient;
  /** Where to listen. Port 0 takes any. */
  readonly host: string;
  readonly port: number;
  /** Where the API server finds us: outside of its cluster, a URL without a path. */
  readonly url?: string | undefined;
  /** Otherwise a Service, in the namespace that has the Secret as well. */
  readonly service: string;
  readonly namespace: string;
  /** Those that the operator looks at; all where there is none. */
  readonly namespaces: readonly string[];
  readonly proxy: InjectionOptions;
  readonly tokens: Pick<TokenSecrets, 'secret' | 'provide'>;
  log(level: 'info' | 'warn', message: string): void;
}

/** Of the Service, in the chart. */
const SERVICE_PORT = 443;

/** Milliseconds for the Secret with the token: the API server waits for no more than five seconds. */
const TOKEN_WAIT = 3000;

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #rotation: Rotation;
  #server: WebhookServer | undefined;
  #port = 0;

  constructor(options: WebhookOptions) {
    const { api, url, namespace, namespaces, service } = options;
    this.#options = options;
    const place: Place =
      url === undefined
        ? { service: { namespace, name: service, port: SERVICE_PORT } }
        : { url: new URL(PATH, url).href };
    this.#rotation = new Rotation({
      api,
      namespace,
      names: namesOf(place),
      place,
      namespaces,
      changed: (credentials) => this.#serve(credentials),
      log: (message) => options.log('info', message),
      failed: (message, wait) => options.log('warn', `webhook: ${message}; it is tried again in ${wait} ms`),
    });
  }

  /** It listens as soon as there is a certificate, which somebody has to lead for. */
  start(): void {
    this.#rotation.start();
  }

  lead(leads: boolean): void {
    this.#rotation.lead(leads);
  }

  /** Undefined while it does not listen. */
  get port(): number | undefined {
    return this.#port || undefined;
  }

  async close(): Promise<void> {
    await this.#rotation.close();
    await this.#server?.close();
  }

  async #serve(pair: Credentials): Promise<void> {
    if (this.#server) return this.#server.setKeyPair(pair);
    const { host, port, log } = this.#options;
    const server = new WebhookServer(pair, {
      review: (body) => this.#review(body),
      failed: (message) => log('warn', `webhook: ${message}`),
    });
    this.#port = await server.listen(host, port);
    this.#server = server;
    log('info', `the webhook listens on ${host}:${this.#port}`);
  }

  async #review(body: string): Promise<object> {
    const { proxy, tokens, log } = this.#options;
    const request = parseReview(body);
    const { pod, namespace } = request;
    if (!pod || !wantsProxy(pod)) return answer(request, { patch: [], warnings: [] });
    try {
      const injection = inject(pod, { ...proxy, tokenSecret: await tokens.secret() });
      const problem = await this.#provideToken(request);
      return answer(request, { ...injection, warnings: [...injection.warnings, ...problem] });
    } catch (error) {
      if (!(error instanceof InvalidPod)) throw error;
      log('info', `webhook: a pod in ${namespace} is refused: ${error.message}`);
      return answer(request, error);
    }
  }

  /** A pod without the Secret waits for it, which is seen. It would not be, were the pod let through without a proxy. */
  async #provideToken({ namespace, dryRun }: AdmissionRequest): Promise<string[]> {
    if (dryRun) return [];
    try {
      await this.#options.tokens.provide(namespace, AbortSignal.timeout(TOKEN_WAIT));
      return [];
    } catch (error) {
      const problem = `there is no Secret with the token of the proxies in ${namespace}: ${messageOf(error)}`;
      this.#options.log('warn', `webhook: ${problem}`);
      return [problem];
    }
  }
}

/** What a certificate for it must name. */
function namesOf(place: Place): string[] {
  if ('url' in place) {
    const { hostname } = new URL(place.url);
    const bare = hostname.replace(/^\[|\]$/g, '');
    return [isIP(bare) ? bare : hostname];
  }
  const { name, namespace } = place.service;
  return [`${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
}
