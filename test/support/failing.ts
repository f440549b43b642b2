import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { loadPlugin, type PluginModule } from '../../src/plugins/plugins.ts';
import { listener } from './proxy.ts';

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

/** A listener whose sessions make their worker fail. */
export function failsAt(port: number) {
  return listener('fails', { protocol: 'TCP', port }, { destination: { spec: { protocol: 'Fails' } } });
}

/**
 * Makes the worker fail that accepts there, and waits until the connection is over. The worker may be gone before the client has
 * heard that it is connected: then it hears of a reset instead.
 */
export async function makeFail(port: number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1').resume();
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
}
