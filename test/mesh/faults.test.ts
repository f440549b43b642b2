/** What goes wrong in one place, and does no harm in others. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { udpIsFree } from './support/clients.ts';
import { ask, echoOn, makeEdge, namesOn, useMesh } from './support/mesh.ts';
import { NODE_ADDRESS } from './support/node.ts';
import type { RunningPod } from './support/pod.ts';

let edge: RunningPod[] = [];
const mesh = useMesh({
  prepare: async (made) => {
    edge = await makeEdge(made);
  },
});

const fullName = (name: string): string => `/l7mp.io/v1/VirtualService/default/${name}`;
const hasListener = async (pod: RunningPod | string, name: string): Promise<boolean> =>
  (await namesOn(pod, 'listeners')).includes(name.startsWith('/') ? name : fullName(name));

test('kubectl shows what runs', async () => {
  const shown = await mesh().cluster.kubectl('get', 'vsvc,target,rule,route');
  const rows = shown.split('\n').filter((line) => line.includes('/echo '));
  assert.equal(rows.length, 4, shown);
  for (const row of rows) assert.match(row, / True +2\/2 +\d/, shown);
});

describe('a proxy that has stopped', () => {
  test('delays no other, and is programmed when it goes on', async () => {
    const [stopped, live] = edge as [RunningPod, RunningPod];
    stopped.signal('l7mp', 'SIGSTOP');
    await mesh().cluster.apply(echoOn(7001, 'edge', 'while-stopped'));
    await until(() => hasListener(live, 'while-stopped'), 'the live one has it');
    const status = await mesh().condition(
      'virtualservices',
      'while-stopped',
      'Programmed',
      'False',
      'ProxyUnreachable',
    );
    assert.equal(status.proxies.text, '1/2');
    stopped.signal('l7mp', 'SIGCONT');
    await mesh().programmed('virtualservices', 'while-stopped');
    assert(await hasListener(stopped, 'while-stopped'));
    await mesh().cluster.kubectl('delete', 'virtualservice', 'while-stopped');
    for (const pod of edge) await until(async () => !(await hasListener(pod, 'while-stopped')), 'it is gone again');
  });
});

describe('what is changed by hand on a proxy', () => {
  test('is put right where it is ours', async () => {
    const [pod] = edge as [RunningPod];
    const path = `listeners/${encodeURIComponent(fullName('echo'))}`;
    assert.equal((await ask(pod, 'DELETE', `${path}?recursive=true`)).status, 200);
    await until(() => hasListener(pod, 'echo'), 'the listener is there again');
  });

  test('stays where it is not', async () => {
    const [pod] = edge as [RunningPod];
    const listener = { name: 'by-hand', spec: { protocol: 'UDP', port: 7002 }, rules: [] };
    const { status, text } = await ask(pod, 'POST', 'listeners', { listener });
    assert.equal(status, 200, text);
    await mesh().cluster.apply(echoOn(7003, 'edge', 'beside'));
    await mesh().programmed('virtualservices', 'beside');
    assert((await namesOn(pod, 'listeners')).includes('by-hand'));
    await mesh().cluster.kubectl('delete', 'virtualservice', 'beside');
    await until(async () => !(await hasListener(pod, 'beside')), 'ours is gone');
    assert((await namesOn(pod, 'listeners')).includes('by-hand'));
    assert((await namesOn(pod, 'listeners')).includes('controller-listener'));
  });
});

describe('an object that cannot be', () => {
  test('is refused by the API server where its shape is wrong', async () => {
    const wrong = echoOn(70000, 'edge', 'wrong');
    await assert.rejects(mesh().cluster.apply(wrong), /spec\.listener\.spec\.UDP\.port/);
  });

  test('says that a proxy refuses it, and harms no other', async () => {
    const bad = echoOn(7004, 'edge', 'bad').replace(
      'UDP: { port: 7004 }',
      'UnixDomainSocket: { filename: /proc/no.sock }',
    );
    await mesh().cluster.apply(bad);
    await mesh().condition('virtualservices', 'bad', 'Programmed', 'False', 'ProxyRefused');
    await mesh().cluster.apply(echoOn(7005, 'edge', 'good'));
    await mesh().programmed('virtualservices', 'good');
    const events = await mesh().cluster.kubectl('get', 'events', '--field-selector', 'involvedObject.name=bad');
    assert.match(events, /Warning/);
    await mesh().cluster.kubectl('delete', 'virtualservice', 'bad', 'good');
  });

  test('with a reference that leads nowhere says so, and its other rules work', async () => {
    const lost = echoOn(7006, 'l7mp-ingress', 'lost').replace(
      'rules: [',
      'rules: [{ match: { op: contains, path: /source/remote/port, value: nobody }, action: { route: { destinationRef: nowhere } } }, ',
    );
    await mesh().cluster.apply(lost);
    const status = await mesh().condition('virtualservices', 'lost', 'ResolvedRefs', 'False', 'RefNotFound');
    assert.match(JSON.stringify(status.conditions), /nowhere/);
    await until(() => hasListener(NODE_ADDRESS, 'lost'), 'the listener stands');
    await mesh().cluster.kubectl('delete', 'virtualservice', 'lost');
  });
});

describe('two VirtualServices on one port', () => {
  test('the older has it, and the other one when that is gone', async () => {
    await mesh().cluster.apply(echoOn(7007, 'l7mp-ingress', 'older'));
    await mesh().programmed('virtualservices', 'older');
    // Times of creation are whole seconds.
    const { creationTimestamp } = (await mesh().object('virtualservices', 'older')).metadata;
    await until(() => Date.now() > Date.parse(creationTimestamp) + 1000, 'the next second');
    await mesh().cluster.apply(echoOn(7007, 'l7mp-ingress', 'a-younger'));
    await mesh().condition('virtualservices', 'a-younger', 'Programmed', 'False', 'Conflicted');
    await mesh().programmed('virtualservices', 'older');
    assert.deepEqual(
      [await hasListener(NODE_ADDRESS, 'older'), await hasListener(NODE_ADDRESS, 'a-younger')],
      [true, false],
    );
    await mesh().cluster.kubectl('delete', 'virtualservice', 'older');
    await mesh().programmed('virtualservices', 'a-younger');
    await mesh().cluster.kubectl('delete', 'virtualservice', 'a-younger');
    await until(() => udpIsFree(7007), 'the port is free');
  });

  test("one on the port of the proxies' API gets none", async () => {
    await mesh().cluster.apply(echoOn(1234, 'l7mp-ingress', 'api').replace('UDP:', 'TCP:'));
    await mesh().condition('virtualservices', 'api', 'Programmed', 'False', 'Conflicted');
    assert.equal((await ask(NODE_ADDRESS, 'GET', 'listeners')).status, 200);
    await mesh().cluster.kubectl('delete', 'virtualservice', 'api');
  });
});
