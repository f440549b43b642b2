import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { L7mpError } from '../../../core/errors.ts';
import type { Attempt } from '../../../core/protocol.ts';
import { attempt } from '../../../testing/fake-cluster-host.ts';
import { until } from '../../../testing/until.ts';
import { type Connected, type Lease, Pool, type PoolLimits } from './pool.ts';
import type { ConnectionOwner, UpstreamConnection, UpstreamExchange } from './upstream.ts';

/** A connection that carries so many requests at a time, and says when one is over. */
class FakeConnection implements UpstreamConnection {
  used = false;
  busy = 0;
  open = true;
  readonly patience: number;
  readonly #owner: ConnectionOwner;
  readonly #most: number;

  constructor(owner: ConnectionOwner, most: number, patience: number) {
    this.#owner = owner;
    this.#most = most;
    this.patience = patience;
  }

  get room(): number {
    return this.open ? this.#most - this.busy : 0;
  }

  request(): UpstreamExchange {
    this.used = true;
    this.busy++;
    return undefined as never;
  }

  over(): void {
    this.busy--;
    this.#owner.free(this);
  }

  close(): void {
    this.open = false;
    this.#owner.gone(this);
  }
}

const LIMITS: PoolLimits = { connections: 2, idle: 2, idleTimeout: 60_000, waiting: 2 };

interface Setting {
  readonly limits?: Partial<PoolLimits>;
  readonly most?: number;
  readonly patience?: number;
  readonly personal?: boolean;
}

/** A pool whose connections stand when they are `let`. */
function poolOf({ limits, most = 1, patience = 60_000, personal = false }: Setting = {}) {
  const made: FakeConnection[] = [];
  const dialled: { attempt: Attempt; stand(): void; fail(error: Error): void }[] = [];
  let emptied = 0;
  const connect = (given: Attempt, owner: ConnectionOwner) =>
    new Promise<Connected>((resolve, reject) => {
      const stand = () => {
        const connection = new FakeConnection(owner, most, patience);
        made.push(connection);
        resolve({ connection, personal });
      };
      dialled.push({ attempt: given, stand, fail: reject });
    });
  const pool = new Pool(
    () => ({ ...LIMITS, ...limits }),
    connect,
    () => emptied++,
  );
  const take = async (given: Attempt = attempt()) => pool.take(given) as Lease | Promise<Lease>;
  return { pool, made, dialled, take, emptied: () => emptied };
}

/** Takes a place, and uses it. */
async function used(lease: Promise<Lease>): Promise<FakeConnection> {
  const connection = (await lease).use() as FakeConnection;
  connection.request();
  return connection;
}

describe('the connections to an endpoint', () => {
  test('are used again, the latest one first', async () => {
    const { dialled, take } = poolOf();
    const leases = [take(), take()];
    await until(() => dialled.length === 2);
    for (const { stand } of dialled) stand();
    const [one, two] = [await used(leases[0] as never), await used(leases[1] as never)];
    one.over();
    two.over();
    assert.equal(await used(take()), two);
    assert.equal(await used(take()), one);
    assert.equal(dialled.length, 2);
  });

  test('a place that is given back is there for the next one', async () => {
    const { dialled, take } = poolOf({ limits: { connections: 1 } });
    const first = take();
    const second = take();
    await until(() => dialled.length === 1);
    dialled[0]?.stand();
    (await first).giveBack();
    assert.equal((await second).stale, false);
  });

  test('are no more than allowed: who waits is served in turn, and one too many is refused', async () => {
    const { dialled, take } = poolOf({ limits: { connections: 1, waiting: 2 } });
    const [one, two] = [take(), take()];
    await assert.rejects(take(), { code: 'E_LIMIT' });
    dialled[0]?.stand();
    const connection = await used(one);
    connection.over();
    assert.equal(await used(two), connection);
    assert.equal(dialled.length, 1);
  });

  test('one that fails fails who asked for it, and the others go on', async () => {
    const { dialled, take } = poolOf({ limits: { connections: 1 } });
    const [one, two] = [take(), take()];
    await until(() => dialled.length === 1);
    dialled[0]?.fail(new L7mpError('E_CONNECT', 'refused'));
    await assert.rejects(one, { code: 'E_CONNECT' });
    await until(() => dialled.length === 2);
    dialled[1]?.stand();
    await used(two);
  });

  test('who does not want one any more waits no longer', async () => {
    const { dialled, take, emptied } = poolOf({ limits: { connections: 1 } });
    const given = attempt();
    const one = take(given);
    await until(() => dialled.length === 1);
    given.cancel();
    await assert.rejects(one, { code: 'E_TIMEOUT' });
    dialled[0]?.fail(new Error('too late'));
    await until(() => emptied() === 1, 'nothing is left');
  });

  test('one that carries many requests is waited for by as many', async () => {
    const { dialled, take } = poolOf({ most: 3 });
    const first = take();
    await until(() => dialled.length === 1);
    dialled[0]?.stand();
    const connection = await used(first);
    assert.equal(await used(take()), connection);
    assert.equal(await used(take()), connection);
    const more = [take(), take()];
    await until(() => dialled.length === 2);
    dialled[1]?.stand();
    assert.equal(await used(more[0] as never), await used(more[1] as never));
    assert.equal(dialled.length, 2);
  });

  test('one of a session’s own is not used by another', async () => {
    const { dialled, made, take } = poolOf({ personal: true });
    const first = take();
    await until(() => dialled.length === 1);
    dialled[0]?.stand();
    (await used(first)).over();
    assert.equal(made[0]?.open, false);
  });

  test('that are idle for too long, or longer than the endpoint keeps them, are closed', async () => {
    for (const setting of [{ limits: { idleTimeout: 0 } }, { patience: 0 }]) {
      const { dialled, take, made, emptied } = poolOf(setting);
      const first = take();
      await until(() => dialled.length === 1);
      dialled[0]?.stand();
      (await used(first)).over();
      await until(() => made[0]?.open === false && emptied() === 1, 'it is closed, and the pool empty');
    }
  });

  test('that are idle beyond what is kept are closed, the oldest first', async () => {
    const { dialled, take } = poolOf({ limits: { idle: 1 } });
    const leases = [take(), take()];
    await until(() => dialled.length === 2);
    for (const { stand } of dialled) stand();
    const [one, two] = [await used(leases[0] as never), await used(leases[1] as never)];
    one.over();
    two.over();
    assert.deepEqual([one.open, two.open], [false, true]);
  });

  test('none is kept once the cluster is gone', async () => {
    const { pool, dialled, take } = poolOf();
    const first = take();
    await until(() => dialled.length === 1);
    dialled[0]?.stand();
    const connection = await used(first);
    pool.close();
    assert.ok(connection.open, 'what is under way goes on');
    connection.over();
    assert.ok(!connection.open);
  });
});
