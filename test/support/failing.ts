import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { loadPlugin, type PluginModule } from '../../src/plugins/plugins.ts';

const SOURCE = `
const fail = () => setImmediate(() => { throw new Error('as it was told'); });
const schema = { type: 'object', properties: {}, additionalProperties: false };
export default {
  name: 'Fails',
  title: 'Makes its thread fail.',
  cluster: { schema, kind: 'stream', virtual: true, open: () => ({ dial: () => new Promise(fail) }) },
};
`;

/** A plugin with a cluster protocol, `Fails`: a session that is routed there makes its worker fail. */
export async function failing(t: TestContext): Promise<PluginModule> {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-fails-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'fails.mjs'), SOURCE);
  return loadPlugin('./fails.mjs', join(folder, 'config.yaml'));
}
