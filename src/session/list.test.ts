import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cidrs } from '../core/cidr.ts';
import { eachSession, findSessions, type SessionFilter } from './list.ts';
import type { Session, SessionStatus } from './session.ts';
import type { SessionTable } from './table.ts';

const ANY: SessionFilter = {
  listener: undefined,
  cluster: undefined,
  endpoint: undefined,
  status: undefined,
  peer: undefined,
};

/** What a session looks like to who searches; `sessions` are looked through in their order. */
const session = (id: number, of: { listener?: string; status?: SessionStatus; from?: string } = {}): Session =>
  ({
    id,
    listener: { name: of.listener ?? 'l' },
    status: of.status ?? 'CONNECTED',
    stages: [{ cluster: { name: `c${id % 2}` }, endpoint: id % 3 === 0 ? { name: 'e' } : undefined }],
    metadata: { IP: { src_addr: of.from ?? '127.0.0.1' } },
  }) as unknown as Session;

const tableOf = (sessions: readonly Session[]): SessionTable =>
  ({ all: () => sessions.values() }) as unknown as SessionTable;

const ids = (sessions: readonly Session[]): number[] => sessions.map(({ id }) => id);

test('pages follow one another, whatever goes and comes between them', async () => {
  const sessions = [1, 2, 3, 4, 5, 6, 7].map((id) => session(id));
  const first = await findSessions(tableOf(sessions), ANY, { limit: 3, after: 0, count: true });
  assert.deepEqual([ids(first.sessions), first.total, first.next], [[1, 2, 3], 7, 3]);
  // The one that the cursor is of has gone, and so has the next; others have come.
  const later = [...sessions.filter(({ id }) => ![1, 3, 4].includes(id)), session(8), session(9)];
  const second = await findSessions(tableOf(later), ANY, { limit: 3, after: first.next as number, count: true });
  assert.deepEqual([ids(second.sessions), second.total, second.next], [[5, 6, 7], 6, 7]);
  const last = await findSessions(tableOf(later), ANY, { limit: 3, after: second.next as number, count: true });
  assert.deepEqual([ids(last.sessions), last.total, last.next], [[8, 9], 6, undefined]);
});

test('sessions are found by what they are like', async () => {
  const [cidr, link] = [new Cidrs(['10.0.0.0/8']), new Cidrs(['fe80::/10'])];
  const sessions = [
    session(1, { listener: 'other' }),
    session(2, { status: 'INIT' }),
    session(3, { from: '10.1.2.3' }),
    session(4, { from: 'fe80::1%eth0' }),
    session(5, { from: 'nowhere' }),
  ];
  for (const [filter, expected] of [
    [{ listener: 'other' }, [1]],
    [{ status: 'INIT' }, [2]],
    [{ cluster: 'c1' }, [1, 3, 5]],
    [{ endpoint: 'e' }, [3]],
    [{ peer: cidr }, [3]],
    [{ peer: link }, [4]],
    [{ cluster: 'c1', listener: 'l' }, [3, 5]],
    [{ listener: 'nix' }, []],
  ] as const) {
    const { sessions: found, total } = await findSessions(
      tableOf(sessions),
      { ...ANY, ...filter },
      { limit: 9, after: 0, count: true },
    );
    assert.deepEqual([ids(found), total], [expected, expected.length]);
  }
});

test('a hundred thousand are looked through in slices: others have their turn', async () => {
  const sessions = Array.from({ length: 100_000 }, (_, n) => session(n + 1));
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  count();
  const { sessions: found, total } = await findSessions(tableOf(sessions), ANY, {
    limit: 1000,
    after: 50_000,
    count: true,
  });
  assert.deepEqual([total, found.length, found[0]?.id], [100_000, 1000, 50_001]);
  assert.ok(turns >= 49, `${turns} turns`);
  turns = 0;
  assert.equal((await eachSession(found, ({ id }) => id)).length, 1000);
  over = true;
  assert.ok(turns >= 4, `${turns} turns`);
});
