import type { Definition, Kind } from '../../model/definitions.ts';

/** What was done, while it is not known yet whether the rest of the change can be done too. */
export interface Done {
  /** Takes it back. Rejects where that is not possible any more. */
  undo(): void | Promise<void>;
  /** Gives up what was kept for that. Does not reject. */
  settle?(): void | Promise<void>;
}

/** How the objects of one kind are made, changed and taken away. What rejects has left nothing behind. */
export interface Handler {
  /**
   * Gives up what others may want (a listening address) of an object that is going to be restarted or deleted. It is
   * done before anything is created, so that a port may change its owner.
   */
  release?(before: Definition): Promise<Done>;
  create(after: Definition): Promise<Done>;
  /** Swaps the definition of an object that goes on; live sessions keep what they have. */
  update(before: Definition, after: Definition): Done | Promise<Done>;
  /** Opens an object anew that was released. */
  restart(before: Definition, after: Definition): Promise<Done>;
  /** Puts what belongs to an object into this order. */
  arrange?(after: Definition, order: readonly string[]): Done;
  /** Forgets an object that was released. Nothing can fail any more, and nothing is undone. */
  delete(before: Definition): Promise<void>;
}

export type Handlers = (kind: Kind) => Handler;
