/** Writes the status of the Gateway API's objects. */
import { type ApiClient, MERGE_PATCH } from '../kubernetes/api.ts';
import type { Discovered, Discovery } from '../kubernetes/discovery.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import type { Regarding } from '../kubernetes/events.ts';
import { pathOf } from '../kubernetes/resource.ts';
import type { Condition } from '../resources/objects.ts';
import { GATEWAY_GROUP, type Gateway, type GatewayClass, type Route } from './objects.ts';

export interface StatusWriterOptions {
  readonly api: ApiClient;
  readonly discovery: Discovery;
  /** An event about an object. */
  tell(type: 'Warning', regarding: Regarding, reason: string, note: string): void;
}

/** In the order of preference: TCPRoute and UDPRoute are v1 since Gateway API 1.6. */
const VERSIONS = ['v1', 'v1alpha2'];

/** Milliseconds until an object that somebody else has changed meanwhile has come. */
const CONFLICT_WAIT = 100;

export class StatusWriter {
  readonly #options: StatusWriterOptions;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /**
   * Writes nothing where there is no `status`. What has become worse, from conditions `before` to `after`, is an event, too.
   * Gives the milliseconds after which to try again where the object is another one meanwhile.
   */
  async write(
    { kind, metadata }: GatewayClass | Gateway | Route,
    status: object | undefined,
    [before, after]: readonly [before: readonly Condition[], after: readonly Condition[]],
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const resource = status && (await this.#resource(kind));
    if (!resource) return undefined;
    const { namespace, name, resourceVersion, uid } = metadata;
    const path = pathOf(resource, { namespace: namespace || undefined, name, subresource: 'status' });
    const body = { metadata: { resourceVersion, uid }, status };
    try {
      await this.#options.api.request('PATCH', path, { body, contentType: MERGE_PATCH, signal });
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      if (hasStatus(error, 409)) return CONFLICT_WAIT;
      throw error;
    }
    const regarding = { apiVersion: `${resource.group}/${resource.version}`, kind, namespace, name, uid };
    for (const { reason, message } of worse(before, after)) this.#options.tell('Warning', regarding, reason, message);
    return undefined;
  }

  async #resource(kind: string): Promise<Discovered | undefined> {
    for (const version of VERSIONS) {
      const found = await this.#options.discovery.find(`${GATEWAY_GROUP}/${version}`, kind);
      if (found) return found;
    }
    return undefined;
  }
}

/** While something is on its way, it is not amiss. */
const ON_ITS_WAY = new Set(['Pending', 'AddressNotAssigned']);

/** What is False now, and was not, or for another reason. `Conflicted` says with False that all is well. */
function worse(before: readonly Condition[], after: readonly Condition[]): Condition[] {
  return after.filter(({ type, status, reason }) => {
    if (status !== 'False' || type === 'Conflicted' || ON_ITS_WAY.has(reason)) return false;
    return !before.some((one) => one.type === type && one.status === 'False' && one.reason === reason);
  });
}
