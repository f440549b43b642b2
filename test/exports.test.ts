/** What plugins import is documented where it is declared, since that is what an editor shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';

const SRC = join(import.meta.dirname, '..', 'src');

interface Export {
  readonly name: string;
  readonly file: string;
}

/** What an index exports by name from files of its own. */
function exportsOf(index: string): Export[] {
  const text = readFileSync(join(SRC, index), 'utf8');
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '(\.[^']*)';/gm)];
  return lists.flatMap(([, names = '', file = '']) =>
    names
      .split(',')
      .map((one) => one.trim().replace(/^type /, ''))
      .filter(Boolean)
      .map((name) => ({ name, file: join(SRC, dirname(index), file) })),
  );
}

/** The comment before a declaration, and what kind of declaration that is. */
function declaration({ name, file }: Export): { comment: string; kind: string } {
  const text = readFileSync(file, 'utf8');
  const found = new RegExp(
    `(/\\*\\*(?:(?!\\*/)[^])*\\*/\\n)?(?:// biome-ignore.*\\n)?export (?:async |abstract )*(class|function|const|interface|type) ${name}\\b`,
  ).exec(text);
  assert.ok(found, `${name} is declared in ${file}`);
  return { comment: found[1] ?? '', kind: found[2] as string };
}

for (const index of ['index.ts', 'testing/index.ts']) {
  describe(`src/${index}`, () => {
    test('names what it exports, one by one', () => {
      assert.doesNotMatch(readFileSync(join(SRC, index), 'utf8'), /^export \*/m);
      assert.ok(exportsOf(index).length > 10);
    });

    for (const one of exportsOf(index)) {
      test(`${one.name} is documented`, () => {
        const { comment, kind } = declaration(one);
        assert.match(comment, /^\/\*\*\s*(\*\s*)?\S/, `${one.name} has a comment`);
        if (kind === 'interface' || kind === 'type') return;
        assert.match(comment, /@example/, `${one.name} has an example`);
      });
    }
  });
}
