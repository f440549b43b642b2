/** The connections to one endpoint: kept, shared by sessions one after the other, and bounded. */
import { onAbort } from '../../../core/attempt.ts';
import { asL7mpError, L7mpError } from '../../../core/errors.ts';
import type { Attempt } from '../../../core/protocol.ts';
import type { ConnectionOwner, UpstreamConnection } from './upstream.ts';

/** What bounds the connections to an endpoint; times in milliseconds. */
export interface PoolLimits {
  readonly connections: number;
  /** Idle connections that are kept. */
  readonly idle: number;
  /** How long they are. */
  readonly idleTimeout: number;
  /** Requests that wait for one. */
  readonly waiting: number;
}

export interface Connected {
  readonly connection: UpstreamConnection;
  /** It is for the session of the attempt only. */
  readonly personal: boolean;
}

/** Connects to the endpoint; the connection is `owner`'s. Rejects as a dialler does. */
export type Connect = (attempt: Attempt, owner: ConnectionOwner) => Promise<Connected>;

/** Milliseconds after which it is looked again which idle connections have been so for too long. */
const LOOKS = 500;

/** A place for one request on a connection, which is kept until it is used or given back. */
export class Lease {
  readonly connection: UpstreamConnection;
  /** It may have been closed by the upstream, which we have not heard yet. */
  readonly stale: boolean;
  readonly #pool: Pool;
  #open = true;

  constructor(connection: UpstreamConnection, pool: Pool) {
    this.connection = connection;
    this.stale = connection.used;
    this.#pool = pool;
  }

  /** The request is made: now, in the same turn. */
  use(): UpstreamConnection {
    if (this.#open) this.#pool.settle(this.connection);
    this.#open = false;
    return this.connection;
  }

  giveBack(): void {
    if (!this.#open) return;
    this.use();
    this.#pool.free(this.connection);
  }
}

interface Waiting {
  readonly attempt: Attempt;
  readonly fresh: boolean;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: L7mpError) => void;
  stopWaiting?: () => void;
  /** A connection is being made for it. */
  dialled?: boolean;
}

interface Kept {
  readonly personal: boolean;
  /** Places that are promised, and not used yet. */
  leases: number;
  /** Since when it is idle, on the clock of performance.now(). */
  idleSince: number;
}

/** The connections to one endpoint. */
export class Pool implements ConnectionOwner {
  readonly #limits: () => PoolLimits;
  readonly #connect: Connect;
  readonly #emptied: () => void;
  readonly #connections = new Map<UpstreamConnection, Kept>();
  /** Those with room for more: the one that was used last is at the end, and used first. */
  readonly #roomy: UpstreamConnection[] = [];
  readonly #waiting: Waiting[] = [];
  #connecting = 0;
  /** Requests that a connection carries at a time, as the latest one does. */
  #each: number;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `emptied`: it has no connection, and nobody waits for one; `each`: requests that the first connection may carry. */
  constructor(limits: () => PoolLimits, connect: Connect, emptied: () => void, each = 1) {
    this.#each = each;
    this.#limits = limits;
    this.#connect = connect;
    this.#emptied = emptied;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /**
   * A place for a request: at once, where there is one. `fresh`: on a connection that has carried nothing.
   *
   * Throws or rejects with what connecting does, with E_LIMIT where too many wait.
   */
  take(attempt: Attempt, fresh = false): Lease | Promise<Lease> {
    const connection = fresh ? undefined : this.#roomiest();
    if (connection) return this.#lease(connection);
    if (this.#waiting.length >= this.#limits().waiting) {
      throw new L7mpError('E_LIMIT', `${attempt.address}: too many requests wait for a connection`);
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { attempt, fresh, resolve, reject };
      this.#waiting.push(waiting);
      waiting.stopWaiting = onAbort(attempt.signal, () => this.#giveUp(waiting));
      this.#open();
    });
  }

  /** Keeps nothing from now on. */
  close(): void {
    this.#closed = true;
    this.#sweep();
  }

  // ------------------------------------------------------------------ for the connections

  free(connection: UpstreamConnection): void {
    const kept = this.#connections.get(connection);
    if (!kept) return;
    if (kept.personal) {
      connection.close();
      return;
    }
    kept.idleSince = performance.now();
    this.#offer(connection, kept);
    this.#serve();
    this.#trim();
  }

  gone(connection: UpstreamConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.#forget(connection);
    this.#open();
    this.#settleEmpty();
  }

  /** A lease on it is over. */
  settle(connection: UpstreamConnection): void {
    const kept = this.#connections.get(connection);
    if (kept) kept.leases--;
  }

  // ------------------------------------------------------------------ own

  #roomiest(): UpstreamConnection | undefined {
    while (this.#roomy.length > 0) {
      const connection = this.#roomy.at(-1) as UpstreamConnection;
      if (this.#room(connection) > 0) return connection;
      this.#roomy.pop();
    }
    return undefined;
  }

  #room(connection: UpstreamConnection): number {
    return connection.room - (this.#connections.get(connection)?.leases ?? Number.POSITIVE_INFINITY);
  }

  #lease(connection: UpstreamConnection): Lease {
    (this.#connections.get(connection) as Kept).leases++;
    const lease = new Lease(connection, this);
    if (this.#room(connection) <= 0) this.#forget(connection);
    return lease;
  }

  #offer(connection: UpstreamConnection, { leases }: Kept): void {
    if (connection.room - leases > 0 && !this.#roomy.includes(connection)) this.#roomy.push(connection);
  }

  #forget(connection: UpstreamConnection): void {
    const at = this.#roomy.lastIndexOf(connection);
    if (at >= 0) this.#roomy.splice(at, 1);
  }

  /** Serves those that wait, the first one first. */
  #serve(): void {
    for (let n = 0; n < this.#waiting.length; ) {
      const waiting = this.#waiting[n] as Waiting;
      const connection = waiting.fresh ? this.#roomy.findLast((one) => !one.used) : this.#roomiest();
      if (connection) {
        this.#remove(waiting);
        waiting.resolve(this.#lease(connection));
      } else n++;
      if (!connection && !waiting.fresh) return;
    }
  }

  /** Connects, as long as more wait than connections are on their way, and there may be more. */
  #open(): void {
    while (this.#waiting.length > this.#connecting * this.#each) {
      const waiting = this.#waiting.find(({ dialled }) => !dialled);
      if (!waiting) return;
      if (this.#connections.size + this.#connecting >= this.#limits().connections) {
        this.#makeRoom();
        return;
      }
      waiting.dialled = true;
      this.#connecting++;
      void this.#dial(waiting);
    }
  }

  /** Where a connection that was never used is asked for, an idle one gives way. */
  #makeRoom(): void {
    this.#roomy.find((connection) => this.#idle(connection))?.close();
  }

  async #dial(waiting: Waiting): Promise<void> {
    try {
      const { connection, personal } = await this.#connect(waiting.attempt, this);
      this.#connecting--;
      this.#take(connection, personal, waiting);
    } catch (error) {
      this.#connecting--;
      if (this.#waiting.includes(waiting)) this.#remove(waiting).reject(asL7mpError(error, 'E_CONNECT'));
    }
    this.#open();
    this.#settleEmpty();
  }

  #take(connection: UpstreamConnection, personal: boolean, waiting: Waiting): void {
    const kept: Kept = { personal, leases: 0, idleSince: performance.now() };
    this.#connections.set(connection, kept);
    this.#each = personal ? 1 : Math.max(1, connection.room);
    if (!personal) {
      this.#offer(connection, kept);
      this.#serve();
      this.#trim();
    } else if (this.#waiting.includes(waiting)) this.#remove(waiting).resolve(this.#lease(connection));
    else connection.close();
  }

  #remove(waiting: Waiting): Waiting {
    waiting.stopWaiting?.();
    const at = this.#waiting.indexOf(waiting);
    if (at >= 0) this.#waiting.splice(at, 1);
    return waiting;
  }

  #giveUp(waiting: Waiting): void {
    this.#remove(waiting);
    waiting.reject(new L7mpError('E_TIMEOUT', `${waiting.attempt.address}: no connection was free in time`));
    this.#settleEmpty();
  }

  #idle(connection: UpstreamConnection): boolean {
    return connection.busy === 0 && this.#connections.get(connection)?.leases === 0;
  }

  /** Closes what is idle beyond what is kept, and has the others looked at again. */
  #trim(): void {
    const { idle } = this.#limits();
    if (this.#closed || this.#roomy.length > idle) this.#sweep();
    else if (this.#roomy.length > 0) this.#timer ??= setTimeout(this.#sweep, LOOKS).unref();
  }

  // The first ones have been idle for the longest time.
  #sweep = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now = performance.now();
    const { idle, idleTimeout } = this.#limits();
    let over = this.#closed ? Number.POSITIVE_INFINITY : this.#roomy.length - idle;
    for (const connection of [...this.#roomy]) {
      if (!this.#idle(connection)) continue;
      const since = this.#connections.get(connection)?.idleSince ?? now;
      const late = now - since >= Math.min(idleTimeout, connection.patience ?? Number.POSITIVE_INFINITY);
      if (!late && over <= 0) continue;
      over--;
      this.#forget(connection);
      connection.close();
    }
    if (this.#roomy.length > 0) this.#timer = setTimeout(this.#sweep, LOOKS).unref();
  };

  #settleEmpty(): void {
    if (this.#connections.size + this.#connecting + this.#waiting.length > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#emptied();
  }
}
