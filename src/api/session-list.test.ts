import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../core/arrays.ts';
import type { SessionPart, SessionQuery } from '../data-plane/contract.ts';
import { ALL } from '../data-plane/testing-samples.ts';
import { listSessions } from './session-list.ts';

/** Sessions with these ids. */
function planeOf(ids: readonly number[]) {
  const asked: SessionQuery[] = [];
  const sessions = async (query: SessionQuery): Promise<SessionPart> => {
    asked.push(query);
    const later = plane.ids.filter((id) => id > query.after);
    const listed = later.slice(0, query.limit).map((id) => ({ id, view: { name: `${id}` } }));
    return { sessions: listed, total: query.count ? plane.ids.length : 0, more: later.length > query.limit };
  };
  const plane = { ids, asked, sessions };
  return plane;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, at) => at + 1);
const names = (ids: readonly number[]): string[] => ids.map(String);

async function shown(list: AsyncIterable<{ readonly name?: string }>): Promise<(string | undefined)[]> {
  return (await collect(list)).map(({ name }) => name);
}

test('a long list is read in parts, and only the first question counts', async () => {
  const plane = planeOf(upTo(1500));
  const { sessions, total, next } = await listSessions(plane, ALL);
  assert.deepEqual([total, next], [1500, 1000]);
  assert.deepEqual(await shown(sessions), names(upTo(1000)));
  assert.deepEqual(
    plane.asked.map(({ limit, count }) => [limit, count]),
    [[1000, true], ...upTo(5).map(() => [200, false])],
  );
  const rest = await listSessions(plane, { ...ALL, after: 1000 });
  assert.equal(rest.next, undefined);
  assert.equal((await shown(rest.sessions)).length, 500);
});

test('sessions that end meanwhile are left out, and those that begin are not in it', async () => {
  const plane = planeOf(upTo(300));
  const { sessions } = await listSessions(plane, ALL);
  plane.ids = upTo(400).filter((id) => id % 2 === 0);
  assert.deepEqual(await shown(sessions), names(plane.ids.filter((id) => id <= 300)));
});

test('nothing is asked for where no session matches', async () => {
  const plane = planeOf([]);
  const { sessions, total } = await listSessions(plane, ALL);
  assert.deepEqual([await shown(sessions), total, plane.asked.length], [[], 0, 1]);
});
