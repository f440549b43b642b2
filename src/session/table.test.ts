import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Session } from './session.ts';
import { MAX_TRACKED, SessionTable } from './table.ts';

test('of very many ended sessions that are tracked the latest are kept', () => {
  const table = new SessionTable();
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
