import { createRequire } from 'node:module';
import { dirname, isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Protocol } from '../core/protocol.ts';

/**
 * Loads a module that exports protocols: `default` is one or a list of them. Paths are taken from the folder of the
 * configuration file, other names are packages. It runs code: only the start-up file may name plugins.
 */
export async function loadPlugin(name: string, configFile: string): Promise<readonly Protocol[]> {
  let module: { default?: unknown };
  try {
    module = await import(locate(name, configFile));
  } catch (error) {
    const [text] = asL7mpError(error).message.split('\n');
    throw new L7mpError('E_FILE', `plugin ${name}: ${text}`, { cause: error });
  }
  const exported = Array.isArray(module.default) ? module.default : [module.default];
  for (const protocol of exported) {
    if (!isProtocol(protocol)) throw new L7mpError('E_INVALID', `plugin ${name}: its default export is no protocol`);
  }
  return exported as Protocol[];
}

function locate(name: string, configFile: string): string {
  const folder = resolve(dirname(configFile));
  if (name.startsWith('.') || isAbsolute(name)) return pathToFileURL(resolve(folder, name)).href;
  return pathToFileURL(createRequire(`${folder}/`).resolve(name, CONDITIONS)).href;
}

/** Packages for `import` only are found too. Node 20 does not know this option, and passes it over. */
const CONDITIONS: object = { conditions: new Set(['node', 'import']) };

function isProtocol(value: unknown): value is Protocol {
  if (typeof value !== 'object' || value === null) return false;
  const { name, listener, cluster } = value as Partial<Protocol>;
  const sides = [listener, cluster].filter((side) => side !== undefined);
  const methods = [listener && [listener.listen, listener.sessionName], cluster && [cluster.open]].flat();
  return (
    typeof name === 'string' &&
    sides.length > 0 &&
    sides.every(({ schema }) => typeof schema === 'object' && schema !== null) &&
    methods.every((method) => method === undefined || typeof method === 'function')
  );
}
