import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { Names } from './names.ts';

const ADDRESS: readonly LookupAddress[] = [{ address: '192.0.2.1', family: 4 }];
const OTHER: readonly LookupAddress[] = [{ address: '192.0.2.2', family: 4 }];

const failure = (code: string) => Object.assign(new Error(code), { code });

/** Names by a resolver that answers when it is told to. */
function asking() {
  const questions: (PromiseWithResolvers<readonly LookupAddress[]> & { name: string })[] = [];
  const names = new Names((name) => {
    const question = { name, ...Promise.withResolvers<readonly LookupAddress[]>() };
    questions.push(question);
    return question.promise;
  });
  return { names, questions };
}

test('a name is asked for once at a time, and anew by the next one', async () => {
  const { names, questions } = asking();
  const all = Array.from({ length: 100 }, () => names.addresses('a'));
  const other = names.addresses('b');
  assert.deepEqual(
    questions.map(({ name }) => name),
    ['a', 'b'],
  );
  questions[1]?.resolve(OTHER);
  assert.equal(await other, OTHER);
  questions[0]?.resolve(ADDRESS);
  for (const answer of await Promise.all(all)) assert.equal(answer, ADDRESS);
  const again = names.addresses('a');
  questions[2]?.resolve(OTHER);
  assert.equal(await again, OTHER);
});

test('where the resolver cannot be asked, or takes its time, what was known is taken', async () => {
  const { names, questions } = asking();
  const first = names.addresses('a');
  questions[0]?.resolve(ADDRESS);
  await first;
  const failed = names.addresses('a');
  questions[1]?.reject(failure('EAI_AGAIN'));
  assert.equal(await failed, ADDRESS);
  // Never answered.
  assert.equal(await names.addresses('a'), ADDRESS);
  assert.equal(questions.length, 3);
});

test('a name that is not there any more is forgotten; what nobody has known fails', async () => {
  const { names, questions } = asking();
  const first = names.addresses('a');
  questions[0]?.resolve(ADDRESS);
  await first;
  const gone = names.addresses('a');
  questions[1]?.reject(failure('ENOTFOUND'));
  await assert.rejects(gone, { code: 'ENOTFOUND' });
  const failed = names.addresses('a');
  questions[2]?.reject(failure('EAI_AGAIN'));
  await assert.rejects(failed, { code: 'EAI_AGAIN' });
});

test('an address that was reached behind others comes first for a while', async (t) => {
  let now = 1;
  t.mock.method(performance, 'now', () => now);
  const names = new Names(async () => [...ADDRESS, ...OTHER]);
  const first = async () => (await names.addresses('a'))[0]?.address;
  assert.equal(await first(), '192.0.2.1');
  names.prefer('a', '192.0.2.2');
  assert.equal(await first(), '192.0.2.2');
  assert.equal((await names.addresses('b'))[0]?.address, '192.0.2.1');
  now += 60_001;
  // The others are tried again.
  assert.equal(await first(), '192.0.2.1');
  names.prefer('a', '192.0.2.9');
  assert.equal(await first(), '192.0.2.1');
});
