import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { makeCounts } from '../counts/memory.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import type { Session } from './session.ts';
import { MAX_TRACKED, SessionTable } from './table.ts';

test('of very many ended sessions that are tracked the latest are kept', () => {
  const table = new SessionTable(SharedCounts.alone());
  for (let n = 0; n <= MAX_TRACKED; n++) {
    const session = { name: `s${n}` } as Session;
    table.add(session);
    table.ended(session, 3600);
  }
  equal([...table.all()].length, MAX_TRACKED);
  equal(table.get('s0'), undefined);
  equal(table.get(`s${MAX_TRACKED}`)?.name, `s${MAX_TRACKED}`);
  equal(table.live, 0);
  table.clear();
  equal([...table.all()].length, 0);
});

test('no two sessions of the whole proxy have one name at a time, nor one id', () => {
  const memory = makeCounts({ workers: 2, sessions: 100 });
  const [a, b] = [0, 1].map((worker) => new SessionTable(new SharedCounts(memory, worker))) as [
    SessionTable,
    SessionTable,
  ];
  const begin = (table: SessionTable): Session => {
    const session = { name: table.claim('s') } as Session;
    table.add(session);
    return session;
  };
  const sessions = [begin(a), begin(b), begin(a), begin(b)];
  deepEqual(
    sessions.map(({ name, id }) => [name, id]),
    [
      ['s', 1],
      ['s_1', 2],
      ['s_2', 3],
      ['s_3', 4],
    ],
  );
  b.ended(sessions[1] as Session, 0);
  equal(a.claim('s'), 's_1');
  a.unclaim('s_1');
  equal(b.claim('s'), 's_1');
});
