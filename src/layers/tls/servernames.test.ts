import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Servernames } from './servernames.ts';

test('a name counts before a wildcard, a wildcard stands for one label, and the first of two alike counts', () => {
  const names = new Servernames([
    [['*.example', 'B.example.'], 'wild'],
    [['a.example'], 'exact'],
    [['a.example', '*.example'], 'later'],
  ]);
  const found = ['a.example', 'b.example', 'c.example', 'a.b.example', 'example', '.example', 'a.other', '*.example'];
  assert.deepEqual(
    found.map((name) => names.find(name)),
    ['exact', 'wild', 'wild', undefined, undefined, undefined, undefined, 'wild'],
  );
});
