/** Scripts of what clients and servers do to a proxy, made from a seed. */
import { Dice } from '../support/random.ts';

export type Transport = 'TCP' | 'UnixDomainSocket' | 'UDP';
export type Who = 'client' | 'server';

/** Each is waited for until those that it concerns have seen its effect. */
export type Step =
  /** Writes pieces of these sizes; datagrams of these sizes. */
  | { readonly do: 'write'; readonly by: Who; readonly sizes: readonly number[] }
  /** The client writes while there is no server that could take it. */
  | { readonly do: 'early write'; readonly sizes: readonly number[] }
  /** The client ends, or resets, its connection while there is no server. */
  | { readonly do: 'early end' | 'early reset' }
  /** Nothing, until it was tried in vain to connect. */
  | { readonly do: 'attempt' }
  /** Writes much while the other one does not read, which writes meanwhile, and then reads. */
  | { readonly do: 'push'; readonly by: Who; readonly size: number }
  /** Resets while the other one writes much to it, that it does not read. */
  | { readonly do: 'tear'; readonly by: Who; readonly size: number }
  | { readonly do: 'end' | 'reset'; readonly by: Who }
  /** Writes and ends at once, while the other one writes too. */
  | { readonly do: 'finish'; readonly by: Who; readonly size: number }
  /** Writes much to one that does not read yet, and resets. */
  | { readonly do: 'abandon'; readonly by: Who; readonly size: number }
  /** The session is deleted while much is on its way, both ways. */
  | { readonly do: 'delete amid'; readonly size: number }
  /** Closes both directions; the other one ends too, or goes on writing until it is told. */
  | { readonly do: 'vanish'; readonly by: Who; readonly answer: 'end' | 'write' }
  /** The server goes, and comes (back). */
  | { readonly do: 'kill' | 'open' }
  /** Nobody listens, and nobody tries again. */
  | { readonly do: 'refused' }
  /** A datagram to a port where nobody listens: ICMP says so. */
  | { readonly do: 'unreachable' }
  /** The session is deleted, and the client's next datagram begins another one. */
  | { readonly do: 'renew' }
  | { readonly do: 'delete' | 'idle' };

/** One client and the server that is meant for it, on either side of a proxy. */
export interface Case {
  readonly client: Transport;
  readonly server: Transport;
  readonly retry: 'never' | 'connect-failure' | 'disconnect' | 'always';
  /** A stage in JavaScript stands between them. */
  readonly staged: boolean;
  /** The listener has an idle timeout. */
  readonly idle: boolean;
  /** The server listens when the client connects. */
  readonly present: boolean;
  readonly steps: readonly Step[];
}

const PAIRS: readonly (readonly [Transport, Transport])[] = [
  ['TCP', 'TCP'],
  ['TCP', 'TCP'],
  ['TCP', 'TCP'],
  ['UDP', 'UDP'],
  ['UDP', 'UDP'],
  ['UnixDomainSocket', 'TCP'],
  ['TCP', 'UnixDomainSocket'],
  ['UnixDomainSocket', 'UnixDomainSocket'],
  ['TCP', 'UDP'],
  ['UDP', 'TCP'],
];

/** Steps of a case before its last one. */
const LONGEST = 6;

const SMALL = [1, 2, 100, 1400, 4096, 8192];
const STREAM = [...SMALL, 65_535, 65_536, 65_537, 300_000, 1 << 20];
const LARGE = [2 << 20, 8 << 20];

/** Sizes at which something changes: nothing, an Ethernet frame, a fragment more, the largest payload over IPv4. */
const DATAGRAM = [0, 1, 2, 1199, 1472, 1473, 9000, 65_506, 65_507];
/** Bytes of datagrams at once that fit everybody's receive buffer, so that the kernel loses none. */
const BURST = 60_000;

export function makeScript(seed: number, count: number): Case[] {
  const dice = new Dice(seed);
  return Array.from({ length: count }, () => new Plot(dice).make());
}

/** A case in the making: knows what can be done next. */
class Plot {
  readonly #dice: Dice;
  readonly #steps: Step[] = [];
  readonly #client: Transport;
  readonly #server: Transport;
  readonly #retry: Case['retry'];
  readonly #idle: boolean;
  readonly #present: boolean;
  /** Which side has not ended its direction. */
  readonly #open: Record<Who, boolean> = { client: true, server: true };
  #there: boolean;
  #over = false;

  constructor(dice: Dice) {
    this.#dice = dice;
    [this.#client, this.#server] = dice.pick(PAIRS);
    this.#retry = dice.pick(['never', 'never', 'connect-failure', 'disconnect', 'always', 'always']);
    this.#idle = dice.chance(0.1);
    this.#present = this.#server === 'UDP' || dice.chance(0.75);
    this.#there = this.#present;
  }

  make(): Case {
    const dice = this.#dice;
    if (!this.#present) this.#begin();
    const length = this.#idle ? 1 : 1 + dice.below(LONGEST);
    while (!this.#over && this.#steps.length < length) this.#add(dice.pick(this.#possible()));
    if (!this.#over) this.#finish();
    return {
      client: this.#client,
      server: this.#server,
      retry: this.#retry,
      staged: dice.chance(0.15),
      idle: this.#idle,
      present: this.#present,
      steps: this.#steps,
    };
  }

  /** The client comes before the server. */
  #begin(): void {
    const dice = this.#dice;
    // A client that sends datagrams has no session before it has sent one.
    // One, since others might come after it was refused and begin sessions of their own.
    if (this.#client === 'UDP') this.#step({ do: 'early write', sizes: [100] });
    if (this.#retry === 'never' || this.#retry === 'disconnect') {
      this.#last({ do: 'refused' });
      return;
    }
    this.#step({ do: 'attempt' });
    this.#absence();
    if (this.#over) return;
    if (this.#client !== 'UDP' && dice.chance(0.2)) {
      this.#open.client = false;
      this.#step({ do: 'early end' });
    }
    this.#there = true;
    this.#step({ do: 'open' });
  }

  /** What the client does while the server is away. */
  #absence(): void {
    const dice = this.#dice;
    const resets = this.#client === 'TCP' && dice.chance(0.25);
    // A node socket that is not read sees no reset behind the 64 KiB that it keeps; the native engine does.
    const sizes = resets ? [dice.pick(SMALL)] : this.#sizes('client');
    if (dice.chance(0.6)) this.#step({ do: 'early write', sizes });
    if (resets) this.#last({ do: 'early reset' });
  }

  /** Each possibility is a step, by its name and who takes it. */
  #possible(): (() => Step)[] {
    // Sessions begin with a datagram, and a server of datagrams knows a client by one.
    if (!this.#streams && this.#steps.length === 0)
      return [() => ({ do: 'write', by: 'client', sizes: this.#sizes('client') })];
    if (this.#client === 'UDP' && this.#server === 'UDP') return this.#datagramSteps();
    const all: (() => Step)[] = [];
    for (const who of ['client', 'server'] as const) if (this.#open[who]) all.push(...this.#sideSteps(who));
    if (this.#mends && this.#open.client && this.#open.server) all.push(() => ({ do: 'kill' }));
    if (all.length === 0) all.push(() => ({ do: 'delete' }));
    return all;
  }

  #sideSteps(by: Who): (() => Step)[] {
    const write = (): Step => ({ do: 'write', by, sizes: this.#sizes(by) });
    const all: (() => Step)[] = [write, write, write];
    const own = by === 'client' ? this.#client : this.#server;
    if (own === 'UDP') return all;
    all.push(() => ({ do: 'end', by }));
    if (own === 'TCP') all.push(() => ({ do: 'reset', by }));
    if (!this.#streams) return all;
    all.push(() => ({ do: 'push', by, size: this.#dice.pick(LARGE) }));
    if (this.#open[other(by)]) all.push(() => ({ do: 'delete amid', size: 4 << 20 }));
    if (by === 'server' && this.#mends) return all;
    all.push(() => ({ do: 'finish', by, size: this.#dice.pick(LARGE) }));
    if (this.#open[other(by)]) {
      all.push(() => ({ do: 'vanish', by, answer: this.#dice.pick(['end', 'write'] as const) }));
      if (own === 'TCP') all.push(() => ({ do: this.#dice.pick(['tear', 'abandon'] as const), by, size: 4 << 20 }));
    }
    return all;
  }

  #datagramSteps(): (() => Step)[] {
    const write = (by: Who) => (): Step => ({ do: 'write', by, sizes: this.#sizes(by) });
    if (!this.#there) return [() => ({ do: 'unreachable' }), () => ({ do: 'open' })];
    const more: (() => Step)[] = [() => ({ do: 'kill' }), () => ({ do: 'renew' })];
    return [write('client'), write('client'), write('server'), write('server'), ...more];
  }

  /** Adds what was chosen, and what must follow. */
  #add(choice: () => Step): void {
    const step = choice();
    this.#step(step);
    switch (step.do) {
      case 'kill':
        this.#there = false;
        if (this.#server !== 'UDP') this.#comeBack();
        break;
      case 'open':
        this.#there = true;
        break;
      case 'end':
      case 'finish':
        this.#ended(step.by);
        break;
      case 'reset':
        this.#over ||= step.by === 'client' || !this.#mends;
        break;
      case 'vanish':
      case 'tear':
      case 'abandon':
      case 'delete':
      case 'delete amid':
        this.#over = true;
    }
  }

  #comeBack(): void {
    this.#step({ do: 'attempt' });
    this.#absence();
    if (this.#over) return;
    this.#there = true;
    this.#step({ do: 'open' });
  }

  #ended(by: Who): void {
    // Such an end is a disconnect, which is mended.
    if (by === 'server' && this.#mends && this.#open.client) return;
    this.#open[by] = false;
    // What is not a stream can neither be told of an end nor end: the session is over soon.
    if (!this.#streams || !this.#open[other(by)]) this.#over = true;
  }

  #finish(): void {
    if (!this.#there && this.#server === 'UDP') this.#step({ do: 'open' });
    this.#last({ do: this.#idle ? 'idle' : 'delete' });
  }

  #sizes(by: Who): number[] {
    const dice = this.#dice;
    const own = by === 'client' ? this.#client : this.#server;
    // Bytes that go into datagrams, or come from them, are not held back.
    const from = own === 'UDP' ? DATAGRAM : this.#streams ? STREAM : SMALL;
    const wanted = dice.chance(0.5) ? 1 : 1 + dice.below(20);
    const sizes = [dice.pick(from)];
    let sum = sizes[0] as number;
    for (let n = 1; n < wanted; n++) {
      const size = dice.pick(from);
      sum += size;
      if (sum > (this.#streams ? 4 << 20 : BURST)) break;
      sizes.push(size);
    }
    // Nothing cannot be seen to arrive where boundaries are lost.
    if (own === 'UDP' && this.#client !== this.#server) sizes.push(1);
    return sizes;
  }

  get #streams(): boolean {
    return this.#client !== 'UDP' && this.#server !== 'UDP';
  }

  get #mends(): boolean {
    return this.#server !== 'UDP' && (this.#retry === 'disconnect' || this.#retry === 'always');
  }

  #step(step: Step): void {
    this.#steps.push(step);
  }

  #last(step: Step): void {
    this.#step(step);
    this.#over = true;
  }
}

/** Whether something is cut off while it flows: how much of it has passed is a matter of time. */
export function isTorn({ steps }: Case): boolean {
  return steps.some(
    (step) =>
      step.do === 'tear' ||
      step.do === 'abandon' ||
      step.do === 'delete amid' ||
      (step.do === 'vanish' && step.answer === 'write'),
  );
}

export function other(who: Who): Who {
  return who === 'client' ? 'server' : 'client';
}
