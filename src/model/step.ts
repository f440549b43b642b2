/** A change of the configuration, as what becomes of each object. */
import type { Definition } from './definitions.ts';

/** What an object is now, and what it shall be; undefined where it is not there. */
export interface Change {
  readonly before: Definition | undefined;
  readonly after: Definition | undefined;
  /** Of a cluster: the names of its endpoints in the order that they shall have, where that is not the order of creation. */
  readonly order?: readonly string[];
}

/** `update` swaps what later sessions see; `restart` closes and opens what holds sockets or files. */
export type Action = 'create' | 'update' | 'restart' | 'delete';

export interface Step extends Change {
  readonly action: Action;
  /** The fields that differ, as JSON pointers into the object as one writes it; of an object that stays. */
  readonly fields: readonly string[];
}

/** Whether an object gives up its address, which another one may want: that comes before anything else of a change. */
export function releases({ action, before }: Step): boolean {
  return before?.kind === 'listener' && (action === 'restart' || action === 'delete');
}
