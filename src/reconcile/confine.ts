/** What a change that the API asks for may name of this machine's files and sockets, and that it runs no programs. */
import { isDeepStrictEqual } from 'node:util';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { FileUse, Spec } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import { type Definition, type EndpointDefinition, keyOf, type Objects } from '../model/definitions.ts';
import { opens } from '../model/kinds.ts';
import type { Change } from '../model/step.ts';
import type { DirectoryEnclosure } from '../output/enclosure.ts';

export interface ConfineContext {
  readonly registry: Registry;
  readonly store: Objects;
  readonly enclosure: DirectoryEnclosure;
  /** The API may make what runs programs. */
  readonly allowsExec: boolean;
}

/**
 * The changes, with the objects marked that are confined to the enclosure. An object that names the same files as
 * before keeps the rights that it had: the start-up file may have given them. Rejects with E_FORBIDDEN.
 */
export async function confine(changes: readonly Change[], context: ConfineContext): Promise<Change[]> {
  const now: Specs = (name) => context.store.of('cluster').get(name)?.definition.spec;
  const then = coming(changes, now);
  const confined: Change[] = [];
  for (const change of changes) confined.push(await confineOne(change, { now, then }, context));
  return confined;
}

/**
 * The changes, with those objects marked that were confined before the proxy was started again, by `<kind> <name>`. Throws
 * E_FORBIDDEN for one that runs programs, where the API may not make such any more.
 */
export function confineAgain(
  changes: readonly Change[],
  confined: readonly string[],
  { registry, allowsExec }: Pick<ConfineContext, 'registry' | 'allowsExec'>,
): readonly Change[] {
  if (confined.length === 0) return changes;
  const keys = new Set(confined);
  return changes.map((change) => {
    const { after } = change;
    if (!after || !keys.has(keyOf(after))) return change;
    if (runsCode(after, registry) && !allowsExec) throw programs(after);
    return { ...change, after: marked(after, true) };
  });
}

/** The objects that are confined, by `<kind> <name>`. */
export function confinedOf(definitions: readonly Definition[]): string[] {
  return definitions.filter(isConfined).map(keyOf);
}

/** The specifications of clusters: they say whether the addresses of their endpoints are files. */
type Specs = (cluster: string) => Spec | undefined;

function coming(changes: readonly Change[], now: Specs): Specs {
  const specs = new Map(
    changes.flatMap(({ after }) => (after?.kind === 'cluster' ? [[after.name, after.spec] as const] : [])),
  );
  return (name) => specs.get(name) ?? now(name);
}

async function confineOne(
  change: Change,
  { now, then }: { readonly now: Specs; readonly then: Specs },
  context: ConfineContext,
): Promise<Change> {
  const { before, after } = change;
  if (!after) return change;
  if (runsCode(after, context.registry)) return confineCode(change, after, context);
  const files = filesOf(after, then, context.registry);
  if (files.length === 0) return change;
  const known = before ? filesOf(before, now, context.registry) : [];
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

/** What runs programs is left as it is, where the API may make none. Throws E_FORBIDDEN. */
function confineCode({ before }: Change, after: Definition, { allowsExec }: ConfineContext): Change {
  const isSame = before && 'spec' in before && 'spec' in after && isDeepStrictEqual(before.spec, after.spec);
  if (!isSame && !allowsExec) throw programs(after);
  return { before, after: marked(after, isSame ? isConfined(before) : true) };
}

function runsCode(definition: Definition, registry: Registry): boolean {
  return opens(definition) && registry.runsCode(definition.kind, definition.spec);
}

function programs({ kind, name }: Definition): L7mpError {
  const text = `${kind} ${name}: /spec: it runs programs, and so is for the start-up file only (admin.allow_exec)`;
  return new L7mpError('E_FORBIDDEN', text);
}

function filesOf(definition: Definition, specs: Specs, registry: Registry): FileUse[] {
  if (opens(definition)) return registry.filesOf(definition.kind, definition.spec);
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
  return opens(definition) && confined ? { ...definition, confined } : definition;
}
