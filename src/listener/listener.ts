import { idleTimeout } from '../core/limits.ts';
import type { ListenerSide, Listening } from '../core/protocol.ts';
import type { ListenerDefinition } from '../model/definitions.ts';
import { SourceCounts } from './sources.ts';

/** Where sessions come from: a protocol that listens, the rules for what it emits, and its counts. */
export class Listener {
  #definition: ListenerDefinition;
  #side: ListenerSide;
  /** Set while it listens. */
  listening: Listening | undefined;
  /** Live sessions. */
  sessions = 0;
  /** Sessions begun. */
  requests = 0;
  /** Whose its live sessions are. */
  readonly sources = new SourceCounts();
  /** What was not taken, by reason. */
  readonly rejects = new Map<string, number>();

  constructor(definition: ListenerDefinition, side: ListenerSide) {
    this.#definition = definition;
    this.#side = side;
  }

  get definition(): ListenerDefinition {
    return this.#definition;
  }

  get side(): ListenerSide {
    return this.#side;
  }

  /** Takes up another definition: new sessions see it, live ones keep what they have. */
  define(definition: ListenerDefinition, side: ListenerSide): void {
    this.#definition = definition;
    this.#side = side;
  }

  get name(): string {
    return this.definition.name;
  }

  /** Milliseconds; 0 is never: then the defaults of clusters' protocols do not count either. */
  get idleTimeout(): number | undefined {
    return idleTimeout(this.definition.options.idle_timeout, this.side.idleTimeout, this.definition.spec);
  }

  /** Counts what was not taken. Returns whether it is the first for that reason. */
  reject(why: string): boolean {
    const before = this.rejects.get(why) ?? 0;
    this.rejects.set(why, before + 1);
    return before === 0;
  }
}
