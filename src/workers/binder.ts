/**
 * Listening sockets of several workers, bound in the main thread: one for all of them where streams are listened to, one for
 * each where datagrams are. What a worker that has failed had bound stays bound for the one that takes its place.
 */
import type { FifoAddress, InternetAddress, MessageAddress, SocketAddress } from '../core/engine.ts';
import {
  type Binder,
  type BoundDatagram,
  type BoundFifos,
  type BoundSocket,
  ELSEWHERE,
  ownerOf,
} from '../io/binder.ts';
import { bindFifos } from '../io/fifo/bind.ts';
import { inUse } from '../io/node/stream.ts';

/** Binds sockets for the shared binder. */
export interface SocketSource {
  bindStream(at: SocketAddress): Promise<BoundSocket>;
  bindMessages(at: MessageAddress): Promise<BoundSocket>;
  /** The socket of the n-th worker. */
  bindDatagram(at: InternetAddress, n: number): Promise<BoundDatagram>;
}

interface Shared<T extends BoundSocket> {
  readonly bound: Promise<T>;
  users: number;
}

type Address = SocketAddress | MessageAddress | FifoAddress;

export class SharedBinder {
  readonly #source: SocketSource;
  readonly #of: number;
  /** By what they are bound to. */
  readonly #shared = new Map<string, Shared<BoundSocket>>();

  /** `of`: for how many workers. */
  constructor(source: SocketSource, of: number) {
    this.#source = source;
    this.#of = of;
  }

  /** For the n-th worker; `previous`: what the one had that has failed. */
  forWorker(n: number, previous?: WorkerBinder): WorkerBinder {
    const source: Binder = {
      bindStream: (at) => this.#share(keyOf(at), n, at, () => this.#source.bindStream(at)),
      bindMessages: (at) => this.#share(JSON.stringify(at), n, at, () => this.#source.bindMessages(at)),
      bindFifos: (at) => this.#share(`fifos ${JSON.stringify(at)}`, n, at, () => bindFifos(at)),
      bindDatagram: (at) => this.#source.bindDatagram(at, n),
    };
    return new WorkerBinder(source, previous?.takeAll() ?? new Map());
  }

  async #share<T extends BoundSocket>(key: string, n: number, at: Address, bind: () => Promise<T>): Promise<T> {
    let shared = this.#shared.get(key) as Shared<T> | undefined;
    if (!shared) {
      shared = { bound: bind(), users: 0 };
      this.#shared.set(key, shared);
    }
    const isFirst = shared.users++ === 0;
    const own = shared;
    const leave = (): boolean => {
      if (--own.users > 0) return false;
      if (this.#shared.get(key) === own) this.#shared.delete(key);
      return true;
    };
    try {
      const { release, ...bound } = await own.bound;
      const listens = 'ranged' in at && at.ranged ? n === ownerOf(at.port, this.#of) : isFirst;
      const isElsewhere = bound.listen === 'alone' && !listens;
      return {
        ...bound,
        ...(isElsewhere && { listen: 'elsewhere' }),
        release: async () => void (leave() && (await release())),
      } as T;
    } catch (error) {
      leave();
      throw error;
    }
  }
}

/** What one worker has bound, by address. */
export class WorkerBinder implements Binder {
  readonly #source: Binder;
  readonly #own = new Map<string, BoundSocket>();
  /** Of the one before it. */
  readonly #inherited: Map<string, BoundSocket>;

  constructor(source: Binder, inherited: Map<string, BoundSocket>) {
    this.#source = source;
    this.#inherited = inherited;
  }

  bindStream(at: SocketAddress): Promise<BoundSocket> {
    return this.#bind(`stream ${keyOf(at)}`, at, () => this.#source.bindStream(at));
  }

  bindMessages(at: MessageAddress): Promise<BoundSocket> {
    return this.#bind(`messages ${JSON.stringify(at)}`, at, () => this.#source.bindMessages(at));
  }

  bindFifos(at: FifoAddress): Promise<BoundFifos> {
    return this.#bind(`fifos ${JSON.stringify(at)}`, at, async () => (this.#source.bindFifos ?? bindFifos)(at));
  }

  bindDatagram(at: InternetAddress): Promise<BoundDatagram> {
    return this.#bind(`datagram ${keyOf(at)}`, at, () => this.#source.bindDatagram(at));
  }

  /** Gives away all that it has. */
  takeAll(): Map<string, BoundSocket> {
    const all = new Map([...this.#inherited, ...this.#own]);
    this.#inherited.clear();
    this.#own.clear();
    return all;
  }

  /** Releases what the one before it had, and it has not taken over. */
  async releaseInherited(): Promise<void> {
    const unused = [...this.#inherited.values()];
    this.#inherited.clear();
    await Promise.all(unused.map(({ release }) => release()));
  }

  async releaseAll(): Promise<void> {
    await Promise.all([...this.takeAll().values()].map(({ release }) => release()));
  }

  async #bind<T extends BoundSocket>(key: string, at: Address, bind: () => Promise<T>): Promise<T> {
    if (this.#own.has(key)) throw inUse(at);
    const inherited = this.#inherited.get(key) as T | undefined;
    this.#inherited.delete(key);
    const bound = inherited ?? (await bind());
    if ((bound as BoundSocket) === ELSEWHERE) return bound;
    this.#own.set(key, bound);
    const release = async (): Promise<void> => {
      if (this.#own.get(key) !== bound) return;
      this.#own.delete(key);
      await bound.release();
    };
    return { ...bound, release };
  }
}

/** Whether it is one of many ports makes no other address of it. */
function keyOf(at: SocketAddress): string {
  return 'path' in at ? JSON.stringify(at) : `${at.host}|${at.port}`;
}
