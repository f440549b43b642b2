import type { Log } from '../core/log.ts';
import type { Offload } from './engine.ts';
import { nullOffload } from './null.ts';

/** What `admin` says of offload. */
export interface OffloadSettings {
  readonly offload?: 'init' | 'no_init' | 'disable';
  /** Names of interfaces, as a list or separated by commas; `all`, the default, or empty for every one. */
  readonly offload_ifs?: string | readonly string[];
}

/** A session as far as offload goes. */
export interface Offloadable {
  readonly wiring: {
    /** Moves it into the kernel, if it can be there. */
    offload(): void;
    /** Has everything come to its sockets again. */
    withdraw(): void;
  };
}

/** The offload engine in use: switched on, off and to other interfaces while sessions run, which lose nothing by it. */
export class OffloadSwitch {
  readonly #log: Log;
  readonly #sessions: () => Iterable<Offloadable>;
  #settings = '';
  engine: Offload = nullOffload('offload is off');

  constructor(log: Log, sessions: () => Iterable<Offloadable>) {
    this.#log = log;
    this.#sessions = sessions;
  }

  async set({ offload = 'disable', offload_ifs: interfaces = 'all' }: OffloadSettings): Promise<void> {
    const names = namesOf(interfaces);
    const settings = offload === 'disable' ? '' : JSON.stringify(names);
    if (settings === this.#settings) return;
    this.#settings = settings;
    await this.close();
    if (settings === '') return;
    const { openOffload } = await import('./open.ts');
    this.engine = openOffload({ interfaces: names });
    const { on, why } = this.engine.status();
    if (!on) this.#log.write('warn', 'offload', `there is no kernel offload: ${why}`);
    for (const session of this.#sessions()) session.wiring.offload();
  }

  async close(): Promise<void> {
    for (const session of this.#sessions()) session.wiring.withdraw();
    const { engine } = this;
    this.engine = nullOffload('offload is off');
    await engine.close();
  }
}

function namesOf(interfaces: string | readonly string[]): readonly string[] | 'all' {
  const names = [interfaces].flat().flatMap((list) => list.split(',').filter((name) => name !== ''));
  return names.length === 0 || names.includes('all') ? 'all' : names;
}
