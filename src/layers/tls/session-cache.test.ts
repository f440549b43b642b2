import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_AGE, MOST, PER_ENDPOINT, SessionCache } from './session-cache.ts';

/** A cache, what it has freed, and what it offers. */
function make() {
  const freed: string[] = [];
  const clock = { now: 0 };
  const cache = new SessionCache<string>(
    (session) => freed.push(session),
    () => clock.now,
  );
  const offered = (endpoint: string): string | undefined => {
    let found: string | undefined;
    cache.offer(endpoint, (session) => {
      found = session;
    });
    return found;
  };
  return { cache, freed, clock, offered };
}

test('what may be used once is offered once, the latest first, to the same endpoint only', () => {
  const { cache, freed, offered } = make();
  cache.keep('a', '1', true);
  cache.keep('a', '2', true);
  assert.equal(offered('b'), undefined);
  assert.deepEqual([offered('a'), offered('a'), offered('a')], ['2', '1', undefined]);
  assert.deepEqual([freed, cache.size], [['2', '1'], 0]);
});

test('what may be used again is, until another one comes, or the endpoint fails', () => {
  const { cache, freed, offered } = make();
  cache.keep('a', '1', false);
  assert.deepEqual([offered('a'), offered('a')], ['1', '1']);
  cache.keep('a', '2', false);
  assert.deepEqual([offered('a'), freed], ['2', ['1']]);
  cache.forget('a');
  assert.deepEqual([offered('a'), freed], [undefined, ['1', '2']]);
});

test('what is old is not offered', () => {
  const { cache, freed, clock, offered } = make();
  cache.keep('a', '1', true);
  clock.now = MAX_AGE + 1;
  assert.deepEqual([offered('a'), freed], [undefined, ['1']]);
});

test('there are bounds, for one endpoint and for all: the oldest give way', () => {
  const { cache, freed, offered } = make();
  for (let n = 0; n <= PER_ENDPOINT; n++) cache.keep('a', `a${n}`, true);
  assert.deepEqual([cache.size, freed], [PER_ENDPOINT, ['a0']]);
  for (let n = 0; n < MOST; n++) cache.keep(`endpoint ${n}`, `${n}`, true);
  assert.equal(cache.size, MOST);
  assert.equal(offered('a'), undefined);
  assert.equal(offered(`endpoint ${MOST - 1}`), `${MOST - 1}`);
});

test('once it is closed nothing is left, and what comes later is freed', () => {
  const { cache, freed } = make();
  cache.keep('a', '1', true);
  cache.close();
  cache.keep('a', '2', true);
  assert.deepEqual([freed, cache.size], [['1', '2'], 0]);
});
