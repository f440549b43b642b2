import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Protocol } from '../../src/core/protocol.ts';

const OWN = new URL('../../src/index.ts', import.meta.url).href;

/** A plugin's protocol in this process, where `import … from 'l7mp'` gives what the tests import. */
export async function importPlugin(file: string): Promise<Protocol> {
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'l7mp' ? { url: OWN, shortCircuit: true } : next(specifier, context),
  });
  try {
    return (await import(pathToFileURL(file).href)).default;
  } finally {
    hooks.deregister();
  }
}
