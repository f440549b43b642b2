import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metrics } from './metrics.ts';
import { parseAddress, TelemetryServer } from './server.ts';

async function served(unready: () => string | undefined, run: (url: string, metrics: Metrics) => Promise<void>) {
  const metrics = new Metrics();
  const server = new TelemetryServer(metrics, unready);
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  try {
    await run(`http://${address}`, metrics);
  } finally {
    await server.close();
  }
}

test('an address is a host and a port', () => {
  assert.deepEqual(parseAddress('127.0.0.1:9090'), { host: '127.0.0.1', port: 9090 });
  assert.deepEqual(parseAddress(':9090'), { host: undefined, port: 9090 });
  assert.deepEqual(parseAddress('[::1]:0'), { host: '::1', port: 0 });
  for (const text of ['', '9090', 'a:b', '::1:9090', '[a]:1', 'a:70000']) assert.equal(parseAddress(text), undefined);
});

test('it is ready when there is nothing against it; it is alive in any case', async () => {
  let why: string | undefined = 'no complete list yet of Pod';
  await served(
    () => why,
    async (url) => {
      const unready = await fetch(`${url}/readyz`);
      assert.deepEqual([unready.status, await unready.text()], [503, 'no complete list yet of Pod\n']);
      assert.equal((await fetch(`${url}/healthz`)).status, 200);
      why = undefined;
      assert.equal((await fetch(`${url}/readyz`)).status, 200);
    },
  );
});

test('metrics have what was counted, and gauges as they are when somebody asks', async () => {
  await served(
    () => undefined,
    async (url, metrics) => {
      let pods = 1;
      metrics.observe({
        isLeader: () => true,
        certificateExpiry: () => undefined,
        isSynced: () => false,
        objects: () => [['Pod', pods]],
        proxies: () => [['programmed', 3]],
        queues: () => [],
      });
      metrics.lists.inc({ kind: 'Pod' });
      pods = 2;
      const text = await (await fetch(`${url}/metrics`)).text();
      for (const line of [
        'l7mp_operator_lists_total{kind="Pod"} 1',
        'l7mp_operator_objects{kind="Pod"} 2',
        'l7mp_operator_proxies{state="programmed"} 3',
        'l7mp_operator_leader 1',
        'l7mp_operator_synced 0',
      ])
        assert.ok(text.split('\n').includes(line), line);
    },
  );
});

test('there is nothing else', async () => {
  await served(
    () => undefined,
    async (url) => {
      assert.equal((await fetch(`${url}/`)).status, 404);
      assert.equal((await fetch(`${url}/healthz`, { method: 'POST' })).status, 405);
    },
  );
});
