import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyState } from '../proxies/contract.ts';
import type { Verdict } from '../translation/contract.ts';
import { progressOf } from './progress.ts';

const NAME = '/l7mp.io/v1/Target/default/web';

function progress(states: Record<string, ProxyState | undefined>, conflicts: Record<string, string> = {}) {
  const verdict = {
    fullName: NAME,
    proxies: new Set(Object.keys(states)),
    conflicts: new Map(Object.entries(conflicts)),
  } as unknown as Verdict;
  return progressOf(verdict, { state: (uid) => states[uid], name: (uid) => `default/${uid}` });
}

const PROGRAMMED: ProxyState = { state: 'programmed' };
const away = (message: string): ProxyState => ({ state: 'unreachable', message });
const refused = (name: string, words: string): ProxyState => ({ state: 'refused', objects: new Map([[name, words]]) });

test('proxies that have it are counted', () => {
  assert.deepEqual(progress({ a: PROGRAMMED, b: PROGRAMMED }), { selected: 2, programmed: 2 });
  assert.deepEqual(progress({}), { selected: 0, programmed: 0 });
});

test('what a proxy refuses of another object is no failure of this one', () => {
  const states = { a: refused('/l7mp.io/v1/Target/default/web-2', 'no') };
  assert.deepEqual(progress(states), { selected: 1, programmed: 1 });
});

test('what is below its name belongs to it', () => {
  assert.deepEqual(progress({ a: refused(`${NAME}/rules/0`, 'bad rule') }), {
    selected: 1,
    programmed: 0,
    reason: 'ProxyRefused',
    message: 'default/a: bad rule',
  });
});

test('the worst reason is told, with the pods that have it', () => {
  const states = { a: PROGRAMMED, b: away('ECONNREFUSED'), c: refused(NAME, 'no'), d: undefined };
  assert.deepEqual(progress(states), { selected: 4, programmed: 1, reason: 'ProxyRefused', message: 'default/c: no' });
  assert.deepEqual(progress(states, { e: 'port 53 is taken by /l7mp.io/v1/VirtualService/default/dns' }), {
    selected: 5,
    programmed: 1,
    reason: 'Conflicted',
    message: 'default/e: port 53 is taken by /l7mp.io/v1/VirtualService/default/dns',
  });
});

test('a proxy of which nothing is known is being programmed', () => {
  assert.equal(progress({ a: undefined, b: { state: 'pending' } }).reason, 'Pending');
});

test('the message is the same whatever the order, and does not grow with the number of pods', () => {
  const some = { d: away('x'), b: away('y'), a: away('z'), c: away('w') };
  const reversed = Object.fromEntries(Object.entries(some).reverse());
  assert.equal(progress(some).message, 'default/a: z; default/b: y; default/c: w; and 1 more');
  assert.deepEqual(progress(reversed), progress(some));
  assert.ok((progress({ a: away('x'.repeat(100_000)) }).message?.length ?? 0) < 300);
});
