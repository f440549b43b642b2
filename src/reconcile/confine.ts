/** What a change that the API asks for may name of this machine's files and sockets. */
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { FileUse } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import type { DirectoryEnclosure } from '../output/enclosure.ts';
import type { Definition, EndpointDefinition } from './definitions.ts';
import type { Change } from './plan.ts';
import type { Store } from './store.ts';

export interface ConfineContext {
  readonly registry: Registry;
  readonly store: Store;
  readonly enclosure: DirectoryEnclosure;
}

/**
 * The changes, with the objects marked that are confined to the enclosure. An object that names the same files as
 * before keeps the rights that it had: the start-up file may have given them. Rejects with E_FORBIDDEN.
 */
export async function confine(changes: readonly Change[], context: ConfineContext): Promise<Change[]> {
  const specs = specsOf(changes, context.store);
  const confined: Change[] = [];
  for (const change of changes) confined.push(await confineOne(change, specs, context));
  return confined;
}

type Specs = (cluster: string) => { readonly protocol: string } | undefined;

/** The specifications of clusters as they shall be. */
function specsOf(changes: readonly Change[], store: Store): Specs {
  const coming = new Map(
    changes.flatMap(({ after }) => (after?.kind === 'cluster' ? [[after.name, after.spec] as const] : [])),
  );
  return (name) => coming.get(name) ?? store.clusters.get(name)?.definition.spec;
}

async function confineOne(change: Change, specs: Specs, context: ConfineContext): Promise<Change> {
  const { before, after } = change;
  if (!after) return change;
  const files = filesOf(after, specs, context.registry);
  if (files.length === 0) return change;
  const known = before ? filesOf(before, specs, context.registry) : [];
  const isKnown = ({ path, use }: FileUse): boolean => known.some((one) => one.path === path && one.use === use);
  if (before && files.every(isKnown)) return { ...change, after: marked(after, isConfined(before)) };
  for (const { field, path } of files) {
    await context.enclosure.locate(path).catch((error: unknown) => {
      const { code, message } = asL7mpError(error);
      throw new L7mpError(code, `${after.kind} ${after.name}: /spec${field}: ${message}`, { cause: error });
    });
  }
  return { ...change, after: marked(after, true) };
}

function filesOf(definition: Definition, specs: Specs, registry: Registry): FileUse[] {
  if (definition.kind === 'listener' || definition.kind === 'cluster') {
    return registry.filesOf(definition.kind, definition.spec);
  }
  return definition.kind === 'endpoint' ? fileOf(definition, specs, registry) : [];
}

function fileOf({ cluster, address }: EndpointDefinition, specs: Specs, registry: Registry): FileUse[] {
  const spec = specs(cluster);
  if (!spec || !registry.dialsPaths(spec)) return [];
  return [{ field: '/address', path: address, use: 'connect' }];
}

export function isConfined(definition: Definition): boolean {
  return 'confined' in definition && definition.confined === true;
}

function marked(definition: Definition, confined: boolean): Definition {
  const opens = definition.kind === 'listener' || definition.kind === 'cluster';
  return opens && confined ? { ...definition, confined } : definition;
}
