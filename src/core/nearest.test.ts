import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.ts';

const FIELDS = ['listeners', 'clusters', 'rulelists', 'rules', 'routes', 'endpoints', 'admin', 'id', 'action'];

test('the word that was meant is found: a letter too many, too few, a wrong one, two changed over, another case', () => {
  const meant: Record<string, string> = {
    listener: 'listeners',
    listenerss: 'listeners',
    lisseners: 'listeners',
    lsiteners: 'listeners',
    LISTENERS: 'listeners',
    actoin: 'action',
    rouets: 'routes',
    admn: 'admin',
    cluster: 'clusters',
  };
  for (const [word, field] of Object.entries(meant)) assert.equal(nearest(word, FIELDS), field);
});

test('what is near to nothing stays without a word', () => {
  for (const word of ['', 'x', 'zz', 'spec', 'weights', 'constructor', '__proto__'])
    assert.equal(nearest(word, FIELDS), undefined, word);
  assert.equal(nearest('a'.repeat(1_000_000), ['a'.repeat(1_000_000)]), undefined);
});
