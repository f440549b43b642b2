import { undoAfter } from '../../core/undo.ts';
import type { SharedCounts } from '../../counts/shared-counts.ts';
import { Listener } from '../../listener/listener.ts';
import { type OpenContext, open } from '../../listener/open.ts';
import type { Definition, ListenerDefinition } from '../../model/definitions.ts';
import { need } from '../../model/need.ts';
import type { Store } from '../store.ts';
import { close, failure } from './failure.ts';
import type { Done, Handler } from './handler.ts';
import type { LateListeners } from './late.ts';
import { takesUp } from './take-up.ts';

export interface ListenerContext extends OpenContext {
  readonly store: Store;
  readonly counts: SharedCounts;
  /** Those that wait for their addresses. */
  readonly late: LateListeners;
  /** The listener is not to listen now. */
  holds(listener: Listener): boolean;
  /** Ends the sessions of a listener that was not taken after all. */
  disown(listener: Listener): void;
}

/** Has a listener listen that does not. Rejects with E_BIND. */
export async function listenAgain(listener: Listener, context: OpenContext): Promise<void> {
  try {
    await open(listener, context);
  } catch (error) {
    throw failure(listener.definition, error);
  }
}

/** Gives up the address of a listener. */
export async function releaseListener(listener: Listener, context: ListenerContext): Promise<void> {
  const { listening, name } = listener;
  context.late.cancel(listener);
  listener.listening = undefined;
  await close(listening, name, context);
}

export function listenerHandler(context: ListenerContext): Handler {
  const { store, registry } = context;
  const { listeners } = store;
  const release = (listener: Listener): Promise<void> => releaseListener(listener, context);
  const listen = async (listener: Listener): Promise<void> => {
    if (context.holds(listener)) return;
    await listenAgain(listener, context).catch((error: unknown) => context.late.wait(listener, error));
  };
  const define = (listener: Listener, definition: Definition): void => {
    const { spec } = definition as ListenerDefinition;
    listener.define(definition as ListenerDefinition, registry.listener(spec.protocol));
  };
  const handler: Handler & Required<Pick<Handler, 'release'>> = {
    create: async (after) => {
      const { spec, name } = after as ListenerDefinition;
      const listener = new Listener(after as ListenerDefinition, registry.listener(spec.protocol), context.counts);
      // Found by its own first sessions, which may come before it is known that it listens.
      listeners.set(name, listener);
      const forget = (): void => {
        listeners.delete(name);
        listener.close();
      };
      await listen(listener).catch((error: unknown) => {
        forget();
        throw error;
      });
      const undo = async (): Promise<void> => {
        forget();
        await release(listener);
        context.disown(listener);
      };
      return { undo };
    },
    release: async ({ name }) => {
      const listener = need(listeners, 'listener', name);
      await release(listener);
      return { undo: () => listen(listener) };
    },
    update: async (before, after) => {
      const listener = need(listeners, 'listener', after.name);
      const change = async (from: Definition, to: Definition): Promise<boolean> => {
        const taken = await takesUp(listener.listening, from as ListenerDefinition, to as ListenerDefinition);
        if (taken) define(listener, to);
        return taken;
      };
      if (await change(before, after)) return { undo: async () => void (await change(after, before)) };
      return reopen(handler, before, after);
    },
    restart: async (before, after) => {
      const listener = need(listeners, 'listener', after.name);
      define(listener, after);
      await listen(listener).catch((error: unknown) => {
        define(listener, before);
        throw error;
      });
      const undo = async (): Promise<void> => {
        await release(listener);
        define(listener, before);
      };
      return { undo };
    },
    delete: async ({ name }) => {
      listeners.get(name)?.close();
      listeners.delete(name);
    },
  };
  return handler;
}

/** Opens anew what could not take up another definition in place. */
async function reopen(
  handler: Pick<Handler, 'restart'> & Required<Pick<Handler, 'release'>>,
  before: Definition,
  after: Definition,
): Promise<Done> {
  const released = await handler.release(before);
  try {
    const restarted = await handler.restart(before, after);
    const undo = async (): Promise<void> => {
      await restarted.undo();
      await released.undo();
    };
    return { undo };
  } catch (error) {
    return undoAfter(error, async () => released.undo());
  }
}
