/** The documents say what is so: generated parts are current, configurations are valid, links lead somewhere. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { REFERENCE, staleFiles } from '../scripts/reference/files.ts';
import { LAYER_NAMES, layerPageOf } from '../scripts/reference/layers.ts';
import { pageOf } from '../scripts/reference/protocols.ts';
import { parse } from '../src/config/parse.ts';
import { ERRORS } from '../src/core/errors.ts';
import { OF_LISTENER, WHOLE } from '../src/limits/admission.ts';
import { PROTOCOLS } from '../src/protocols.ts';
import { L7mp } from '../src/proxy.ts';
import { ROOT } from './support/command.ts';
import { importPlugin } from './support/plugin.ts';

const DOCUMENTS = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md', 'bench/*.md'], { cwd: ROOT }).sort();

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The first group of everything that the pattern finds in a text. */
const found = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, part]) => part as string);

test('what is generated is current', async () => {
  const stale = [...(await staleFiles()).keys()];
  assert.deepEqual(stale, [], 'scripts/generate-reference writes them');
});

test('every error code is documented', () => {
  const text = read(`${REFERENCE}/errors.md`);
  for (const code of Object.keys(ERRORS)) assert.ok(text.includes(`\`${code}\``), code);
});

for (const { name } of PROTOCOLS) {
  test(`the page of ${name} has an example that uses it`, () => {
    const examples = found(read(`${REFERENCE}/${pageOf(name)}`), /^```yaml\n([\s\S]*?)^```/gm);
    assert.ok(examples.some((example) => example.includes(`protocol: ${name}`)));
  });
}

for (const name of LAYER_NAMES) {
  test(`the page of the layer ${name} has an example of a listener, and of a cluster, that have it`, () => {
    const examples = found(read(`${REFERENCE}/${layerPageOf(name)}`), /^```yaml\n([\s\S]*?)^```/gm).join('\n');
    for (const kind of ['listeners', 'clusters'])
      assert.match(examples, new RegExp(`^${kind}:[\\s\\S]*?\\b${name}:`, 'm'));
  });
}

test('every reason of a drop and of a rejection is documented', () => {
  const text = read(`${REFERENCE}/metrics.md`);
  const [drops = ''] = found(read('src/core/channel-contract.ts'), /^export type DropReason = (.*?);$/gms);
  const sources = globSync('src/**/*.ts', { cwd: ROOT, exclude: ['**/*.test.ts'] }).map(read);
  const limits = [...Object.keys(WHOLE), ...Object.keys(OF_LISTENER)];
  const reasons = new Set([...found(drops, /'([^']+)'/g), ...sources.flatMap(rejectsIn), ...limits]);
  assert.ok(reasons.has('queue-full') && reasons.has('max-sessions'));
  for (const reason of reasons) assert.ok(text.includes(`\`${reason}\``), reason);
});

test('every outcome of a session is documented', () => {
  const text = read(`${REFERENCE}/metrics.md`);
  const [kinds = ''] = found(
    read('src/core/channel-contract.ts'),
    /^export interface CloseReason \{\n\s+readonly kind: (.*?);$/gms,
  );
  const outcomes = found(kinds, /'([^']+)'/g);
  assert.ok(outcomes.includes('refused'));
  for (const outcome of outcomes) assert.ok(text.includes(`| \`${outcome}\``), outcome);
});

/** The texts in calls such as `host.reject('wrong-peer')`. */
function rejectsIn(source: string): string[] {
  return found(source, /\.reject\(([^;\n]*)\);/g).flatMap((argument) => found(argument, /'([a-z]+(?:-[a-z]+)+)'/g));
}

describe('configurations in documents are valid', () => {
  for (const file of DOCUMENTS) {
    for (const [n, block] of found(read(file), /^```yaml\n([\s\S]*?)^```/gm).entries()) {
      test(`${file}, block ${n + 1}`, () => checkConfig(parse(block, 'yaml'), file));
    }
  }
});

describe('what documents send to the API is valid', () => {
  for (const file of DOCUMENTS) {
    for (const [n, body] of found(read(file), /^curl .*<<EOF .*\n([\s\S]*?)^EOF$/gm).entries()) {
      test(`${file}, request ${n + 1}`, () => {
        const [[kind, object] = []] = Object.entries(parse(body, 'yaml') as Record<string, unknown>);
        return checkConfig({ [`${kind}s`]: [object] }, file);
      });
    }
  }
});

async function checkConfig(config: unknown, file: string): Promise<void> {
  const { plugins = [] } = config as { plugins?: string[] };
  for (const name of plugins) assert.match(name, /^\.\//, 'other names are packages');
  const modules = plugins.map((name) => importPlugin(resolve(ROOT, dirname(file), name)));
  new L7mp({ plugins: await Promise.all(modules) }).check(config);
}

describe('links lead somewhere', () => {
  for (const file of DOCUMENTS) {
    test(file, () => {
      const text = read(file).replaceAll(/^```[\s\S]*?^```/gm, '');
      const broken = found(text, /\]\(([^)\s]+)\)/g).filter((link) => !leadsSomewhere(link, file));
      assert.deepEqual(broken, []);
    });
  }
});

function leadsSomewhere(link: string, file: string): boolean {
  if (/^[a-z]+:/.test(link)) return true;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : join(dirname(file), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchors(read(target)).includes(anchor);
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(text: string): string[] {
  return found(text, /^#+ (.+)$/gm).map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
