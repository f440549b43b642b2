/**
 * For each `goldens/<name>.yaml`, objects of a cluster, what becomes of them is in `goldens/<name>.golden.yaml`. After a change
 * that is meant, `UPDATE_GOLDENS=1` in the environment of this test writes them anew; read the difference before it is committed.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { FakeCluster, parseObjects, resultOf } from './testing.ts';
import { makeTranslation } from './translation.ts';

const FOLDER = new URL('./goldens/', import.meta.url);
const GOLDEN = '.golden.yaml';

const files = readdirSync(FOLDER).filter((file) => !file.endsWith(GOLDEN));

describe('goldens', () => {
  for (const file of files) {
    it(file, () => {
      const cluster = new FakeCluster();
      const translation = makeTranslation(cluster, { proxyPort: 1234, allowCrossNamespace: false });
      translation.update(cluster.put(...parseObjects(readFileSync(new URL(file, FOLDER), 'utf8'))));
      const golden = new URL(file.replace(/\.yaml$/, GOLDEN), FOLDER);
      const result = JSON.parse(JSON.stringify(resultOf(translation)));
      if (process.env.UPDATE_GOLDENS)
        writeFileSync(golden, stringify(result, { aliasDuplicateObjects: false, lineWidth: 0 }));
      assert.deepEqual(result, parse(readFileSync(golden, 'utf8')));
    });
  }

  it('has no golden file without its objects', () => {
    const orphans = readdirSync(FOLDER).filter(
      (file) => file.endsWith(GOLDEN) && !files.includes(file.replace(GOLDEN, '.yaml')),
    );
    assert.deepEqual(orphans, []);
  });
});
