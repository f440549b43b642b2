/** What is translated is what a proxy takes: a real one is asked what it would do with the wishes of all goldens. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { type RealProxy, startRealProxy } from '../../testing/proxies.ts';

const GOLDENS = join(import.meta.dirname, 'goldens');

interface Golden {
  readonly proxies: Readonly<Record<string, { readonly wish: Readonly<Record<string, readonly object[]>> }>>;
}

/** What it would make, beside what it has: its API's own listener stays. */
async function changes(proxy: RealProxy, wish: Readonly<Record<string, readonly object[]>>): Promise<number> {
  const { body: own } = await proxy.client.get('/config', { query: { form: 'apply' } });
  const listeners = [...(own.listeners ?? []), ...(wish.listeners ?? [])];
  const clusters = [...(own.clusters ?? []), ...(wish.clusters ?? [])];
  const body = { ...wish, listeners, clusters } as never;
  const answer = await proxy.client.put('/config', { body, query: { dry_run: true } });
  return answer.body.changes.length;
}

test('a proxy takes the wishes of all goldens', async (t) => {
  const proxy = await startRealProxy(t);
  for (const file of readdirSync(GOLDENS).filter((name) => name.endsWith('.golden.yaml'))) {
    const { proxies } = parse(readFileSync(join(GOLDENS, file), 'utf8')) as Golden;
    for (const [uid, { wish }] of Object.entries(proxies)) {
      const endpoints = (wish.clusters as readonly { endpoints?: object[] }[]).flatMap((one) => one.endpoints ?? []);
      const count = Object.values(wish).flat().length + endpoints.length;
      assert.equal(await changes(proxy, wish), count, `${file}, ${uid}: all objects are new, and there are no others`);
    }
  }
  const listeners = [{ name: 'l', spec: { protocol: 'UDP', port: 70_000 }, rules: 'r' }];
  await assert.rejects(changes(proxy, { listeners }), /port/, 'what it does not take, it refuses');
});
