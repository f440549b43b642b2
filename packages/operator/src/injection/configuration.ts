/** The MutatingWebhookConfiguration, by which the API server knows of the webhook. */
import type { ApiClient } from '../kubernetes/api.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { pathOf } from '../kubernetes/resource.ts';
import { INJECT } from './inject.ts';
import { PATH } from './server.ts';

const CONFIGURATIONS = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'mutatingwebhookconfigurations',
} as const;

const NAME = 'l7mp-operator';

/** Where the API server finds the webhook: at a URL, or behind a Service. */
export type Place =
  | { readonly url: string }
  | { readonly service: { readonly namespace: string; readonly name: string; readonly port: number } };

/** Seconds that the creation of a pod waits for us at most. */
const PATIENCE = 5;

/** Namespaces in which pods keep the cluster alive. */
const SPARED = ['kube-system', 'kube-node-lease'];

/** `namespaces`: those that the operator looks at; all where there is none. `authorities`: PEM. */
export function webhookConfiguration(place: Place, namespaces: readonly string[], authorities: readonly string[]) {
  const label = 'kubernetes.io/metadata.name';
  const spared = { key: label, operator: 'NotIn', values: SPARED };
  const meant = namespaces.length ? [{ key: label, operator: 'In', values: namespaces }] : [];
  const where = 'url' in place ? { url: place.url } : { service: { ...place.service, path: PATH } };
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: NAME, labels: { 'app.kubernetes.io/managed-by': 'l7mp-operator' } },
    webhooks: [
      {
        name: 'inject.l7mp.io',
        admissionReviewVersions: ['v1'],
        clientConfig: { ...where, caBundle: Buffer.from(authorities.join('\n')).toString('base64') },
        rules: [
          { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'], scope: 'Namespaced' },
        ],
        namespaceSelector: { matchExpressions: [spared, ...meant] },
        // Of all pods, we are asked about those alone that want something (Kubernetes 1.30).
        matchConditions: [
          {
            name: 'annotated',
            expression: `has(object.metadata.annotations) && '${INJECT}' in object.metadata.annotations && object.metadata.annotations['${INJECT}'] == 'true'`,
          },
        ],
        // Another webhook may add containers after us.
        reinvocationPolicy: 'IfNeeded',
        // Pods can be made while the operator is not there; without their proxies.
        failurePolicy: 'Ignore',
        sideEffects: 'NoneOnDryRun',
        timeoutSeconds: PATIENCE,
      },
    ],
  };
}

type Configuration = ReturnType<typeof webhookConfiguration>;

interface Present {
  readonly metadata: { readonly generation: number };
}

/** Keeps it at what it should be. */
export class ConfigurationKeeper {
  readonly #api: ApiClient;
  readonly #path = pathOf(CONFIGURATIONS, { name: NAME });
  /** What was applied, and what has become of it. */
  #applied: { readonly text: string; readonly generation: number } | undefined;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Writes it where it differs from what was written last, or somebody has changed or removed it. */
  async keep(wished: Configuration, signal: AbortSignal): Promise<void> {
    const text = JSON.stringify(wished);
    const present = this.#applied?.text === text ? await this.#read(signal) : undefined;
    if (present && present.metadata.generation === this.#applied?.generation) return;
    const query = { fieldManager: 'l7mp-operator', force: true };
    const contentType = 'application/apply-patch+yaml';
    const { metadata } = await this.#api.request<Present>('PATCH', this.#path, {
      body: wished,
      query,
      contentType,
      signal,
    });
    this.#applied = { text, generation: metadata.generation };
  }

  async #read(signal: AbortSignal): Promise<Present | undefined> {
    try {
      return await this.#api.request<Present>('GET', this.#path, { signal });
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      throw error;
    }
  }
}
