import module, { createRequire } from 'node:module';
import { dirname, isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Protocol, StreamKind } from '../core/protocol.ts';
import { layered } from '../layers/index.ts';
import { ownModule } from '../own-file.ts';

/** What a module has brought, and where it is: another thread loads it from there. */
export interface PluginModule {
  readonly url: string;
  readonly protocols: readonly Protocol[];
}

/**
 * Loads a module that exports protocols: `default` is one or a list of them. Paths are taken from the folder of the
 * configuration file, other names are packages. It runs code: only the start-up file may name plugins.
 */
export async function loadPlugin(name: string, configFile: string): Promise<PluginModule> {
  try {
    return await importPlugin(locate(name, configFile), name);
  } catch (error) {
    throw error instanceof L7mpError ? error : unloadable(name, error);
  }
}

/** Loads the module at a URL; `name` is what errors call it. Rejects with E_FILE or E_INVALID. */
export async function importPlugin(url: string, name = url): Promise<PluginModule> {
  const loaded: { default?: unknown } = await import(url).catch((error: unknown) => {
    throw unloadable(name, error);
  });
  const exported = Array.isArray(loaded.default) ? loaded.default : [loaded.default];
  for (const protocol of exported) {
    const wrong = wrongField(protocol);
    if (wrong === undefined) continue;
    const what = wrong === '/' ? '' : `: ${wrong} is missing, or not what it must be`;
    throw new L7mpError('E_INVALID', `plugin ${name}: its default export is no protocol${what}`);
  }
  return { url, protocols: (exported as Protocol[]).map(layered) };
}

function unloadable(name: string, error: unknown): L7mpError {
  const [text] = asL7mpError(error).message.split('\n');
  return new L7mpError('E_FILE', `plugin ${name}: ${text}`, { cause: error });
}

/** What `import … from 'l7mp'` gives to a plugin in this thread: the l7mp that loads it, wherever the plugin's file lies. */
export function servePluginImports(): void {
  const own = ownModule('index').href;
  module.registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'l7mp' ? { url: own, shortCircuit: true } : next(specifier, context),
  });
}

function locate(name: string, configFile: string): string {
  const folder = resolve(dirname(configFile));
  if (name.startsWith('.') || isAbsolute(name)) return pathToFileURL(resolve(folder, name)).href;
  return pathToFileURL(createRequire(`${folder}/`).resolve(name, CONDITIONS)).href;
}

/** Packages for `import` only are found too. A Node that does not know this option passes it over. */
const CONDITIONS: object = { conditions: new Set(['node', 'import']) };

/** The first field of a definition that is not as it must be, as a JSON pointer; undefined where all are. */
function wrongField(definition: unknown): string | undefined {
  if (!isObject(definition)) return '/';
  const { name, listener, cluster } = definition;
  if (typeof name !== 'string') return '/name';
  if (listener === undefined && cluster === undefined) return '/listener';
  const inListener = listener === undefined ? undefined : wrongInSide(listener, ['listen', 'sessionName']);
  if (inListener !== undefined) return `/listener${inListener}`;
  const inCluster = cluster === undefined ? undefined : wrongInSide(cluster, ['open']);
  return inCluster === undefined ? undefined : `/cluster${inCluster}`;
}

function wrongInSide(side: unknown, methods: readonly string[]): string | undefined {
  if (!isObject(side)) return '';
  const { schema, kind, standsOn } = side;
  if (typeof schema !== 'function' && !(isObject(schema) && isObject(schema.properties))) return '/schema';
  if (typeof kind !== 'function' && !KINDS.has(kind)) return '/kind';
  if (standsOn !== undefined && !(isObject(standsOn) && mayHave(schema, String(standsOn.field))))
    return '/standsOn/field';
  const missing = methods.find((method) => typeof side[method] !== 'function');
  return missing === undefined ? undefined : `/${missing}`;
}

/** A schema that a function makes is made, and looked at, where specifications are checked: no worker does. */
function mayHave(schema: unknown, field: string): boolean {
  return !isObject(schema) || (isObject(schema.properties) && Object.hasOwn(schema.properties, field));
}

const KINDS: ReadonlySet<unknown> = new Set<StreamKind>(['datagram', 'stream', 'same']);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
