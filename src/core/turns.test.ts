import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

/** In which items of a loop others had their turn. */
async function turnsIn(items: number, most: number, milliseconds: number): Promise<number[]> {
  const turns = new Turns(most);
  const at: number[] = [];
  for (let n = 1; n <= items; n++) {
    const since = performance.now();
    while (performance.now() - since < milliseconds);
    if (!turns.due()) continue;
    at.push(n);
    await turns.next();
  }
  return at;
}

test('others have their turn after so many items', async () => {
  const at = await turnsIn(1000, 100, 0);
  assert.ok(at.length >= 10, `${at}`);
});

test('where items take long others have their turn before that', async () => {
  const at = await turnsIn(8, 100, 6);
  assert.ok(at.length >= 3, `${at}`);
  assert.ok((at[0] as number) <= 2, `${at}`);
});
