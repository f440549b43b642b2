import type { Engine } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import type { NativeOptions } from './native/index.ts';
import { createNodeEngine } from './node/index.ts';

export type EngineMode = 'auto' | 'native' | 'node';

/**
 * The I/O engine that `admin.io` asks for. `auto` takes the native one where there is one, else the portable one, with
 * the reason in `why`; `native` makes that an error (E_UNSUPPORTED).
 */
export async function chooseEngine(
  mode: EngineMode,
  options: NativeOptions,
): Promise<{ readonly engine: Engine; readonly why?: string }> {
  const portable = (): Engine => createNodeEngine(options.connections, undefined, options.binder);
  if (mode === 'node') return { engine: portable() };
  try {
    const { createNativeEngine } = await import('./native/index.ts');
    return { engine: createNativeEngine(options) };
  } catch (error) {
    const why = (error as Error).message;
    if (mode === 'native') throw new L7mpError('E_UNSUPPORTED', `/admin/io: there is no native I/O here: ${why}`);
    return { engine: portable(), why };
  }
}
