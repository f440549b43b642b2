/** What plugins import is documented where it is declared, since that is what an editor shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { declarationOf, sectionsOf } from '../scripts/reference/exports.ts';

const SRC = join(import.meta.dirname, '..', 'src');

const exportsOf = (index: string) => sectionsOf(index).flatMap((section) => section.exports);

for (const index of ['index.ts', 'testing/index.ts']) {
  describe(`src/${index}`, () => {
    test('names what it exports, one by one', () => {
      assert.doesNotMatch(readFileSync(join(SRC, index), 'utf8'), /^export \*/m);
      assert.ok(exportsOf(index).length > 10);
    });

    for (const one of exportsOf(index)) {
      test(`${one.name} is documented`, () => {
        const { comment, kind } = declarationOf(one);
        assert.match(comment, /\S/, `${one.name} has a comment`);
        if (kind === 'interface' || kind === 'type') return;
        assert.match(comment, /@example/, `${one.name} has an example`);
      });
    }
  });
}
