import type { Connections } from '../../core/connections.ts';
import type { Binder } from '../binder.ts';
import type { Loop } from './loop.ts';

/** What the parts of an engine have in common. */
export interface NativeContext {
  readonly loop: Loop;
  /** Where its sockets are counted. */
  readonly connections: Connections;
  /** Binds what listens. */
  readonly binder: Binder;
}
