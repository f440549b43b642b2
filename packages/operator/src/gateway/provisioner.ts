/** Keeps the Deployment and the Service of each Gateway at what they should be, with as few requests as that takes. */
import type { Snapshot } from '../cluster/contract.ts';
import type { ApiClient } from '../kubernetes/api.ts';
import type { Progress } from '../status/progress.ts';
import type { ProxyOptions, SecretKey } from '../workload/proxy.ts';
import type { TokenSecrets } from '../workload/token-secrets.ts';
import { apply, prune, Refusal } from './apply.ts';
import { virtualServiceOf } from './derive.ts';
import { type GatewayView, isOurs } from './gateway.ts';
import { addressesOf, type Infrastructure, infrastructureOf } from './infrastructure.ts';
import { keyText } from './names.ts';
import type { Gateway, GatewayAddress, GatewayClass } from './objects.ts';

export interface ProvisionerOptions {
  readonly api: ApiClient;
  readonly snapshot: Snapshot;
  /** How the proxies of Gateways are run; without it, Gateways get none. */
  readonly proxy: ProxyOptions | undefined;
  /** The token for the proxies' REST API. */
  readonly tokens: Pick<TokenSecrets, 'secret' | 'provide'>;
  progress(fullName: string): Progress | undefined;
  readonly waits?: Partial<Waits>;
}

/** Milliseconds after which something is applied once more though it has not changed. */
interface Waits {
  /** In any case: whoever has changed it by hand is not seen. */
  readonly always: number;
  /** After the API server, or its state, has refused it. */
  readonly refused: number;
  /** While the Service, or any pod of the Deployment, is not there: somebody may have removed them. */
  readonly missing: number;
}

const WAITS: Waits = { always: 600_000, refused: 30_000, missing: 10_000 };

interface Applied {
  readonly text: string;
  /** In milliseconds of `performance.now()`. */
  readonly at: number;
  readonly problem: string | undefined;
  readonly service: string;
}

export class Provisioner {
  readonly #options: ProvisionerOptions;
  readonly #waits: Waits;
  /** By the key of the Gateway. */
  readonly #applied = new Map<string, Applied>();
  /** Keys of Gateways by those of their Services. */
  readonly #gateways = new Map<string, string>();

  constructor(options: ProvisionerOptions) {
    this.#options = options;
    this.#waits = { ...WAITS, ...options.waits };
  }

  /** The key of the Gateway that has this Service. */
  gatewayOf(namespace: string, service: string): string | undefined {
    return this.#gateways.get(keyText('Service', namespace, service));
  }

  /** Applies what is new or due. Gives the milliseconds after which to come again. */
  async provide(key: string, view: GatewayView, signal: AbortSignal): Promise<number | undefined> {
    const { api, snapshot, tokens } = this.#options;
    const wished = this.#wished(view, await tokens.secret());
    if (!wished) return undefined;
    const text = JSON.stringify([wished.deployment, wished.service]);
    const known = this.#applied.get(key);
    const rest = known?.text === text ? this.#wait(view, wished, known) - (performance.now() - known.at) : 0;
    if (rest > 0) return rest;
    let problem: string | undefined;
    try {
      await tokens.provide(wished.namespace, signal);
      await apply(api, view.gateway, wished, signal);
      await prune(api, view.gateway, wished.name, snapshot, signal);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      problem = error.message;
    }
    const service = keyText('Service', wished.namespace, wished.name);
    const applied = { text, at: performance.now(), problem, service };
    this.#forget(key);
    this.#applied.set(key, applied);
    this.#gateways.set(service, key);
    return this.#wait(view, wished, applied);
  }

  /** Where it is reached, and what stands against that. */
  facts(
    key: string,
    view: GatewayView,
  ): { readonly addresses: readonly GatewayAddress[]; readonly problem: string | undefined } {
    const { snapshot, proxy } = this.#options;
    const wished = this.#wished(view);
    const service = wished && snapshot.get('Service', wished.namespace, wished.name);
    const problem = proxy ? this.#applied.get(key)?.problem : 'the operator runs without --proxy-image';
    return { addresses: service && problem === undefined ? addressesOf(service) : [], problem };
  }

  /** Of a Gateway that is not ours, or not any more: what it has of us goes if its class is another controller's. */
  async disown(key: string, gateway: Gateway | undefined, signal: AbortSignal): Promise<void> {
    this.#forget(key);
    const { api, snapshot } = this.#options;
    if (!gateway) return;
    const gatewayClass = snapshot.get('GatewayClass', '', gateway.spec.gatewayClassName) as GatewayClass | undefined;
    if (gatewayClass && !isOurs(gatewayClass)) await prune(api, gateway, undefined, snapshot, signal);
  }

  #forget(key: string): void {
    const applied = this.#applied.get(key);
    if (applied) this.#gateways.delete(applied.service);
    this.#applied.delete(key);
  }

  #wished(view: GatewayView, tokenSecret?: SecretKey): Infrastructure | undefined {
    const { proxy } = this.#options;
    return proxy && infrastructureOf(view, { ...proxy, tokenSecret });
  }

  #wait(view: GatewayView, { namespace, name }: Infrastructure, { problem }: Applied): number {
    if (problem !== undefined) return this.#waits.refused;
    const hasService = this.#options.snapshot.get('Service', namespace, name) !== undefined;
    const hasPods = view.listeners.every((listener) => {
      const virtualService = virtualServiceOf(view, listener);
      return virtualService === undefined || this.#options.progress(virtualService)?.selected !== 0;
    });
    return hasService && hasPods ? this.#waits.always : this.#waits.missing;
  }
}
