/** With `updateOwners`, the owners of an object are told of its generation, in their `status.children.applied`. */
import { type ApiClient, MERGE_PATCH } from '../kubernetes/api.ts';
import type { Discovery } from '../kubernetes/discovery.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import { pathOf } from '../kubernetes/resource.ts';
import type { OwnerReference } from '../resources/objects.ts';

/** What owners were told of an object. */
export interface Told {
  readonly namespace: string;
  readonly owners: readonly OwnerReference[];
  readonly generation: number;
}

interface OwnerObject {
  readonly metadata: { readonly uid: string };
  readonly status?: { readonly children?: { readonly applied?: Readonly<Record<string, number>> } };
}

export class Owners {
  readonly #api: ApiClient;
  readonly #discovery: Discovery;
  readonly #skipped: (owner: OwnerReference, why: string) => void;
  readonly #told = new Map<string, Told>();

  /** `skipped` hears of an owner that cannot be told, once for each generation. */
  constructor(api: ApiClient, discovery: Discovery, skipped: (owner: OwnerReference, why: string) => void) {
    this.#api = api;
    this.#discovery = discovery;
    this.#skipped = skipped;
  }

  /** Throws what requests throw, but for what asking again would not change. */
  async tell(fullName: string, told: Told, signal: AbortSignal): Promise<void> {
    const last = this.#told.get(fullName);
    if (last?.generation === told.generation && hasSameUids(last.owners, told.owners)) return;
    const lost = (last?.owners ?? []).filter(({ uid }) => !told.owners.some((owner) => owner.uid === uid));
    for (const owner of lost) await this.#write(owner, told.namespace, fullName, null, signal);
    for (const owner of told.owners) await this.#write(owner, told.namespace, fullName, told.generation, signal);
    if (told.owners.length > 0) this.#told.set(fullName, told);
    else this.#told.delete(fullName);
  }

  /** The object has gone. Owners that were told of it by another replica keep what they were told. */
  async forget(fullName: string, signal: AbortSignal): Promise<void> {
    const last = this.#told.get(fullName);
    if (!last) return;
    for (const owner of last.owners) await this.#write(owner, last.namespace, fullName, null, signal);
    this.#told.delete(fullName);
  }

  async #write(
    owner: OwnerReference,
    namespace: string,
    name: string,
    generation: number | null,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const resource = await this.#discovery.find(owner.apiVersion, owner.kind);
      if (!resource?.hasStatus) return this.#skipped(owner, 'its kind has no status');
      const place = { namespace: resource.namespaced ? namespace : undefined, name: owner.name };
      const object = await this.#api.request<OwnerObject>('GET', pathOf(resource, place), { signal });
      const told = object.status?.children?.applied?.[name];
      if (object.metadata.uid !== owner.uid || (told ?? null) === generation) return;
      await this.#api.request('PATCH', pathOf(resource, { ...place, subresource: 'status' }), {
        // Of another object under this name, meanwhile, the server would say that it conflicts.
        body: { metadata: { uid: owner.uid }, status: { children: { applied: { [name]: generation } } } },
        contentType: MERGE_PATCH,
        signal,
      });
    } catch (error) {
      if (hasStatus(error, 404)) return;
      if (!hasStatus(error, 403, 405, 422)) throw error;
      this.#skipped(owner, (error as Error).message);
    }
  }
}

function hasSameUids(a: readonly OwnerReference[], b: readonly OwnerReference[]): boolean {
  return a.length === b.length && a.every(({ uid }, n) => uid === b[n]?.uid);
}
