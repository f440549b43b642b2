import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { schemaOf } from '../config/side-schema.ts';
import type { ClusterSide } from '../core/protocol.ts';
import { loadPlugin } from './plugins.ts';

const PROTOCOL = `{ name: 'Mine', cluster: { schema: { properties: {} }, kind: 'stream', open() {} } }`;

describe('a plugin', () => {
  let folder: string;
  let config: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'l7mp-plugins-'));
    config = join(folder, 'config.yaml');
  });
  after(() => rmSync(folder, { recursive: true }));

  function write(path: string, text: string): void {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }

  function writePackage(name: string, manifest: object, files: Readonly<Record<string, string>>): void {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, ...manifest }));
    for (const [file, text] of Object.entries(files)) write(`node_modules/${name}/${file}`, text);
  }

  it('is a module beside the configuration file', async () => {
    write('mine.mjs', `export default ${PROTOCOL};`);
    assert.equal((await loadPlugin('./mine.mjs', config)).protocols[0]?.name, 'Mine');
    assert.equal((await loadPlugin(join(folder, 'mine.mjs'), '/elsewhere.yaml')).protocols[0]?.name, 'Mine');
  });

  it('is a package that the configuration file’s folder sees', async () => {
    writePackage('classic', { main: 'main.js' }, { 'main.js': `module.exports = [${PROTOCOL}];` });
    assert.equal((await loadPlugin('classic', config)).protocols[0]?.name, 'Mine');
  });

  it('is a package that can only be imported', async () => {
    const manifest = { type: 'module', exports: { import: './index.js' } };
    writePackage('@some/modern', manifest, { 'index.js': `export default ${PROTOCOL};` });
    assert.equal((await loadPlugin('@some/modern', config)).protocols[0]?.name, 'Mine');
  });

  it('that is not there, or no protocol, is an error that names it', async () => {
    await assert.rejects(loadPlugin('absent', config), /^L7mpError: plugin absent: Cannot find module 'absent'/);
    await assert.rejects(loadPlugin('./absent.js', config), /^L7mpError: plugin .\/absent.js: Cannot find module/);
    write('other.mjs', 'export default { name: "x" };');
    await assert.rejects(
      loadPlugin('./other.mjs', config),
      /^L7mpError: plugin .\/other.mjs: .* no protocol: \/listener /,
    );
  });

  it('may leave the making of its schema to whoever checks', async () => {
    const side = `{ schema: ({ strict, Type }) => strict({ t: Type.String() }), kind: 'stream', standsOn: { field: 't' }, open() {} }`;
    write('makes.mjs', `export default { name: 'Makes', cluster: ${side} };`);
    const { protocols } = await loadPlugin('./makes.mjs', config);
    assert.deepEqual(Object.keys(schemaOf(protocols[0]?.cluster as ClusterSide).properties), ['t']);
  });

  const listener = `schema: { properties: { t: {} } }, listen() {}, sessionName() {}`;
  const broken: [string, string][] = [
    ['/', 'undefined'],
    ['/name', '{}'],
    ['/listener/kind', `{ name: 'x', listener: { ${listener} } }`],
    ['/listener/kind', `{ name: 'x', listener: { ${listener}, kind: 'bytes' } }`],
    ['/listener/standsOn/field', `{ name: 'x', listener: { ${listener}, kind: 'stream', standsOn: 't' } }`],
    ['/listener/standsOn/field', `{ name: 'x', listener: { ${listener}, kind: 'stream', standsOn: { field: 'u' } } }`],
    ['/cluster/schema', `{ name: 'x', cluster: { kind: 'stream', open() {} } }`],
    ['/cluster/open', `{ name: 'x', cluster: { kind: 'same', schema: { properties: {} } } }`],
  ];
  for (const [n, [field, text]] of broken.entries()) {
    it(`whose definition is wrong at ${field} is an error that names the field: ${text}`, async () => {
      write(`broken-${n}.mjs`, `export default ${text};`);
      const expected = field === '/' ? 'is no protocol' : `: ${field} is missing`;
      await assert.rejects(loadPlugin(`./broken-${n}.mjs`, config), ({ message }: Error) => message.includes(expected));
    });
  }
});
