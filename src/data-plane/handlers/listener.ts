import type { SharedCounts } from '../../counts/shared-counts.ts';
import { Listener } from '../../listener/listener.ts';
import { type OpenContext, open } from '../../listener/open.ts';
import type { Definition, ListenerDefinition } from '../../model/definitions.ts';
import { need } from '../../model/need.ts';
import type { Store } from '../store.ts';
import { close, failure } from './failure.ts';
import type { Handler } from './handler.ts';

export interface ListenerContext extends OpenContext {
  readonly store: Store;
  readonly counts: SharedCounts;
  /** Ends the sessions of a listener that was not taken after all. */
  disown(listener: Listener): void;
}

export function listenerHandler(context: ListenerContext): Handler {
  const { store, registry } = context;
  const { listeners } = store;
  const listen = async (listener: Listener): Promise<void> => {
    try {
      await open(listener, context);
    } catch (error) {
      throw failure(listener.definition, error);
    }
  };
  const release = async (listener: Listener): Promise<void> => {
    const { listening, name } = listener;
    listener.listening = undefined;
    await close(listening, name, context);
  };
  const define = (listener: Listener, definition: Definition): void => {
    const { spec } = definition as ListenerDefinition;
    listener.define(definition as ListenerDefinition, registry.listener(spec.protocol));
  };
  return {
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
    update: (before, after) => {
      const listener = need(listeners, 'listener', after.name);
      define(listener, after);
      return { undo: () => define(listener, before) };
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
}
