/** What a proxy says of its configuration, taken apart: what is ours, and all else, which is left as it is. */
import type { Config } from '@l7mp/client';
import type { Definition, Wish, WishedCluster } from '../translation/contract.ts';
import { automaticEndpointName, isOurs, KINDS, type Kind } from './objects.ts';

type Named = { readonly name: string } & Record<string, unknown>;

/** What others have made, by kind: in JSON, the elements of a list; none is an empty text. */
export type Others = Readonly<Record<Kind, string>>;

export interface Reading {
  readonly etag: string;
  readonly ours: Wish;
  readonly others: Others;
}

/** Throws an Error where it is no configuration. */
export function readingOf(etag: string | undefined, config: Config): Reading {
  if (etag === undefined) throw new Error('its answer has no ETag');
  const ours: { [K in Kind]: Map<string, Definition> } & { clusters: Map<string, WishedCluster> } = {
    clusters: new Map(),
    routes: new Map(),
    rules: new Map(),
    rulelists: new Map(),
    listeners: new Map(),
  };
  const others: Record<Kind, Named[]> = { clusters: [], routes: [], rules: [], rulelists: [], listeners: [] };
  for (const kind of KINDS) {
    for (const object of listOf(config, kind)) {
      const { name, ...definition } = object;
      if (!isOurs(name)) others[kind].push(object);
      else if (kind === 'clusters') ours.clusters.set(name, clusterOf(name, definition));
      else ours[kind].set(name, definition);
    }
  }
  return { etag, ours, others: textsOf(others) };
}

function textsOf(objects: Readonly<Record<Kind, readonly Named[]>>): Others {
  const texts = KINDS.map((kind) => [kind, objects[kind].map((object) => JSON.stringify(object)).join()]);
  return Object.fromEntries(texts) as Record<Kind, string>;
}

function listOf(config: Config, kind: Kind): readonly Named[] {
  const list: unknown = config?.[kind] ?? [];
  if (!Array.isArray(list) || list.some((one) => typeof one?.name !== 'string'))
    throw new Error(`its answer is no configuration: /${kind}`);
  return list;
}

function clusterOf(cluster: string, { endpoints = [], ...definition }: Record<string, unknown>): WishedCluster {
  const named = (endpoints as Partial<Named>[]).map(
    ({ name, ...endpoint }, n) => [name ?? automaticEndpointName(cluster, n), endpoint] as const,
  );
  return { definition, endpoints: new Map(isImplied(cluster, definition, named) ? [] : named) };
}

/** A cluster whose specification says where it leads has an endpoint that nobody has written. */
function isImplied(cluster: string, { spec }: Record<string, unknown>, named: readonly (readonly [string, object])[]) {
  const [[name, endpoint] = []] = named;
  const { address } = ((endpoint as { spec?: unknown } | undefined)?.spec ?? {}) as { address?: string };
  const path = filenameOf(spec);
  return named.length === 1 && path !== undefined && address === path && name === automaticEndpointName(cluster, 0);
}

function filenameOf(spec: unknown): string | undefined {
  const { filename, transport, transport_spec } = (spec ?? {}) as Record<string, unknown>;
  const under = transport ?? transport_spec;
  return under ? filenameOf(under) : (filename as string | undefined);
}
