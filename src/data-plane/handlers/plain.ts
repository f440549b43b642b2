import type { Definition } from '../../model/definitions.ts';
import type { Done, Handler } from './handler.ts';

/** For objects that hold no sockets or files: they are looked up anew for each session. */
export function plainHandler<D extends Definition>(
  objects: Map<string, unknown>,
  make: (definition: D) => unknown,
): Handler {
  const put = (definition: Definition): void => {
    objects.set(definition.name, make(definition as D));
  };
  const update = (before: Definition, after: Definition): Done => {
    put(after);
    return { undo: () => put(before) };
  };
  return {
    create: async (after) => {
      put(after);
      return { undo: () => void objects.delete(after.name) };
    },
    update,
    restart: async (before, after) => update(before, after),
    delete: async ({ name }) => {
      objects.delete(name);
    },
  };
}
