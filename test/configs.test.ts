/** Every sample configuration runs, and does what its first lines say, on its own ports in a network namespace. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../src/testing/until.ts';
import { L7MP, ROOT, startWith } from './support/command.ts';
import { Namespace, noNamespaces } from './support/namespace.ts';
import { program } from './support/programs.ts';

const FOLDER = join(ROOT, 'config');
const FILES = readdirSync(FOLDER);

const skip = noNamespaces() ?? false;

async function isController(space: Namespace): Promise<void> {
  const config = JSON.parse(await space.type('curl -s http://localhost:1234/api/v1/config'));
  assert.equal(config.listeners[0].name, 'controller-listener');
}

async function isGateway(space: Namespace): Promise<void> {
  await isController(space);
  assert.match(await space.type('curl -s http://localhost:8080/metrics'), /^listener_requests_total\{/m);
}

/** What each one does. */
const CHECKS: Readonly<Record<string, (space: Namespace) => Promise<void>>> = {
  'l7mp-minimal.yaml': isController,

  'l7mp-ingress.yaml': isGateway,

  'l7mp-ingress-gw.yaml': isGateway,

  'l7mp-dns.yaml': async (space) => {
    const addresses = '--listen-address=127.0.0.1 --listen-address=127.0.0.2 --bind-interfaces --user=root';
    const own = '--keep-in-foreground --log-facility=- --conf-file=/dev/null --pid-file= --no-resolv --no-hosts';
    const records = '--port=5353 --host-record=host.test,10.1.2.3';
    const server = space.start(program('dnsmasq'), ...`${own} ${addresses} ${records}`.split(' '));
    await until(() => server.output.includes('started') || server.over, 'dnsmasq listens');
    assert.equal(await space.type('dig @127.0.0.1 -p 5053 +short +time=30 host.test'), '10.1.2.3\n');
  },

  'l7mp-rules.yaml': async (space) => {
    const status = "-s -o /dev/null -w '%{http_code}'";
    assert.equal(await space.type("curl -s -H 'x-bar: Me' -d hello http://localhost:8080/"), 'hello');
    assert.equal(await space.type(`curl ${status} http://localhost:8080/`), '404');
    assert.equal(await space.type(`curl ${status} -X DELETE http://localhost:8080/api/x`), '404');
    const { metadata, payload } = JSON.parse(await space.type('curl -s -d hello http://localhost:8080/api/x'));
    assert.deepEqual([metadata.labels.tenant, Buffer.from(payload, 'base64').toString()], ['public', 'hello']);
  },

  'l7mp-udp-over-websocket.yaml': async (space) => {
    space.start(program('socat'), 'UDP4-RECVFROM:6000,fork', 'EXEC:cat');
    const ask = 'echo hello | socat -t 0.2 - UDP4:127.0.0.1:5000';
    await until(async () => (await space.type(ask)) === 'hello\n', 'the answer');
  },
};

test('each sample has a check, and each check its sample', () => {
  assert.deepEqual(FILES.toSorted(), Object.keys(CHECKS).toSorted());
});

for (const [file, check] of Object.entries(CHECKS)) {
  test(`${file} runs on any ports, and ends with status 0`, async (t) => {
    const { command } = await startWith(t, join(FOLDER, file));
    assert.equal(await command.stop(), 0);
  });

  test(`${file} does what it says`, { skip }, (t) => onItsPorts(t, file, check));
}

async function onItsPorts(t: TestContext, file: string, check: (space: Namespace) => Promise<void>): Promise<void> {
  const space = new Namespace(t);
  const proxy = await space.start(L7MP, '-c', join('config', file)).running();
  await check(space);
  assert.equal(await proxy.stop(), 0);
}
