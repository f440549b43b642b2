import type { Connections } from '../core/connections.ts';
import type { Engine } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import { createNodeEngine } from './node/index.ts';

export type EngineMode = 'auto' | 'native' | 'node';

/**
 * The I/O engine that `admin.io` asks for, with so many threads where it has any. `auto` takes the native one where there is one, else the portable one, with
 * the reason in `why`; `native` makes that an error (E_UNSUPPORTED).
 */
export async function chooseEngine(
  mode: EngineMode,
  threads: number,
  connections: Connections,
): Promise<{ readonly engine: Engine; readonly why?: string }> {
  if (mode === 'node') return { engine: createNodeEngine(connections) };
  try {
    const { createNativeEngine } = await import('./native/index.ts');
    return { engine: createNativeEngine(threads, connections) };
  } catch (error) {
    const why = (error as Error).message;
    if (mode === 'native') throw new L7mpError('E_UNSUPPORTED', `/admin/io: there is no native I/O here: ${why}`);
    return { engine: createNodeEngine(connections), why };
  }
}
