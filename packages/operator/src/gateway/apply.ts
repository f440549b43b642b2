/** Makes the Deployment and the Service of a Gateway what they should be, and removes those that it had under another name. */
import type { Snapshot } from '../cluster/contract.ts';
import type { ApiClient } from '../kubernetes/api.ts';
import { ApiError, hasStatus } from '../kubernetes/errors.ts';
import { pathOf, type Resource } from '../kubernetes/resource.ts';
import type { OwnerReference } from '../resources/objects.ts';
import type { Infrastructure, Manifest } from './infrastructure.ts';
import type { Gateway } from './objects.ts';

/** Who sets the fields: https://kubernetes.io/docs/reference/using-api/server-side-apply/ */
const FIELD_MANAGER = 'l7mp-operator';

const APPLY = 'application/apply-patch+yaml';

const DEPLOYMENTS: Resource = { group: 'apps', version: 'v1', plural: 'deployments' };
const SERVICES: Resource = { group: '', version: 'v1', plural: 'services' };

interface Present {
  readonly metadata: { readonly uid: string; readonly ownerReferences?: readonly OwnerReference[] };
}

/** What the API server, or its state, has against it; it is for the status, and for people. */
export class Refusal extends Error {}

/** Throws a Refusal, and what requests throw. */
export async function apply(
  api: ApiClient,
  gateway: Gateway,
  wished: Infrastructure,
  signal: AbortSignal,
): Promise<void> {
  await applyOne(api, DEPLOYMENTS, gateway, wished, wished.deployment, signal);
  await applyOne(api, SERVICES, gateway, wished, wished.service, signal);
}

async function applyOne(
  api: ApiClient,
  resource: Resource,
  { metadata: { uid } }: Gateway,
  { namespace, name }: Infrastructure,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<void> {
  const path = pathOf(resource, { namespace, name });
  const present = await find(api, path, signal);
  if (present && !isOwned(present, uid)) {
    throw new Refusal(`there is a ${manifest.kind} ${name} already, which is not this Gateway's`);
  }
  try {
    const query = { fieldManager: FIELD_MANAGER, force: true };
    await api.request('PATCH', path, { body: manifest, contentType: APPLY, query, signal });
  } catch (error) {
    // 403: forbidden, also by a quota; 422: not valid, as an address that cannot be had.
    if (error instanceof ApiError && hasStatus(error, 400, 403, 422))
      throw new Refusal(`${manifest.kind} ${name}: ${error.message}`);
    throw error;
  }
}

/**
 * Of Services that are the Gateway's and not called `name`, with their Deployments: they are of another class that it had. All of
 * them, where no name is given. That costs no request where there is none.
 */
export async function prune(
  api: ApiClient,
  gateway: Gateway,
  name: string | undefined,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, uid } = gateway.metadata;
  for (const { metadata } of [...snapshot.list('Service', namespace)]) {
    if (metadata.name === name || !isOwned({ metadata }, uid)) continue;
    await remove(api, pathOf(DEPLOYMENTS, { namespace, name: metadata.name }), uid, signal);
    await remove(api, pathOf(SERVICES, { namespace, name: metadata.name }), uid, signal);
  }
}

async function remove(api: ApiClient, path: string, owner: string, signal: AbortSignal): Promise<void> {
  const present = await find(api, path, signal);
  if (!present || !isOwned(present, owner)) return;
  const body = { propagationPolicy: 'Background', preconditions: { uid: present.metadata.uid } };
  try {
    await api.request('DELETE', path, { body, signal });
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

async function find(api: ApiClient, path: string, signal: AbortSignal): Promise<Present | undefined> {
  try {
    return await api.request<Present>('GET', path, { signal });
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

function isOwned(
  { metadata: { ownerReferences = [] } }: { readonly metadata: Pick<Present['metadata'], 'ownerReferences'> },
  uid: string,
): boolean {
  return ownerReferences.some((owner) => owner.uid === uid);
}
