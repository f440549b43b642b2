import { idleTimeout } from '../core/limits.ts';
import type { ListenerSide, Listening } from '../core/protocol.ts';
import type { Counter } from '../counts/counter.ts';
import type { SharedCounts } from '../counts/shared-counts.ts';
import type { ListenerDefinition } from '../model/definitions.ts';
import { Access } from './access.ts';

/** Where sessions come from: a protocol that listens, the rules for what it emits, and its counts. */
export class Listener {
  #definition: ListenerDefinition;
  #access: Access;
  #side: ListenerSide;
  /** Set while it listens. */
  listening: Listening | undefined;
  /** Live sessions in the whole proxy; also those of an earlier one of the name. */
  readonly live: Counter;
  /** Sessions begun here. */
  requests = 0;
  /** Numbers of sessions, in the whole proxy. */
  readonly #numbers: Counter;
  /** What was not taken, by reason. */
  readonly rejects = new Map<string, number>();

  constructor(definition: ListenerDefinition, side: ListenerSide, counts: SharedCounts) {
    this.#definition = definition;
    this.#access = new Access(definition.options);
    this.#side = side;
    this.live = counts.counter(`live sessions of listener ${definition.name}`);
    this.#numbers = counts.counter(`sessions of listener ${definition.name}`);
  }

  get definition(): ListenerDefinition {
    return this.#definition;
  }

  get side(): ListenerSide {
    return this.#side;
  }

  /** Takes up another definition: new sessions see it, live ones keep what they have. */
  define(definition: ListenerDefinition, side: ListenerSide): void {
    if (definition.options !== this.#definition.options) this.#access = new Access(definition.options);
    this.#definition = definition;
    this.#side = side;
  }

  get name(): string {
    return this.definition.name;
  }

  /** Whose peers it takes. */
  get access(): Access {
    return this.#access;
  }

  /** Milliseconds; 0 is never: then the defaults of clusters' protocols do not count either. */
  get idleTimeout(): number | undefined {
    return idleTimeout(this.definition.options.idle_timeout, this.side.idleTimeout, this.definition.spec);
  }

  /** Live sessions of this data plane. */
  get sessions(): number {
    return this.live.own;
  }

  /** The number of its next session. */
  nextNumber(): number {
    this.requests++;
    return this.#numbers.draw();
  }

  /** The listener is gone, and is forgotten when its sessions have ended. */
  close(): void {
    this.live.close();
    this.#numbers.close();
  }

  /** Counts what was not taken. Returns whether it is the first for that reason. */
  reject(why: string): boolean {
    const before = this.rejects.get(why) ?? 0;
    this.rejects.set(why, before + 1);
    return before === 0;
  }
}
