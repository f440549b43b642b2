/** What restarts cost: of the operator, of proxies, of the API server. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { UdpClient } from './support/clients.ts';
import { compact } from './support/control-plane.ts';
import { echoOn, makeEdge, namesOn, tagOf, useMesh } from './support/mesh.ts';
import { NODE_ADDRESS } from './support/node.ts';
import type { RunningPod } from './support/pod.ts';

const ECHO = '/l7mp.io/v1/VirtualService/default/echo';
let edge: RunningPod[] = [];
let client: UdpClient;

const mesh = useMesh({
  prepare: async (made) => {
    edge = await makeEdge(made);
    client = new UdpClient(7000, edge[0]?.address);
  },
});

after(() => client?.close());

let changes = 0;

/** A change that concerns the ingress alone: the operator works when it is there. */
async function changeSomethingElse(): Promise<void> {
  const name = `other-${++changes}`;
  await mesh().cluster.apply(echoOn(7100 + changes, 'l7mp-ingress', name));
  await mesh().programmed('virtualservices', name);
}

/** That nothing was changed on the edge's proxies by what happens, and that their sessions have not noticed. */
async function changesNothing(what: () => Promise<void>): Promise<void> {
  assert.equal(await client.ask('before'), 'before');
  const sessions = await namesOn(edge[0] as RunningPod, 'sessions');
  const before = await Promise.all(edge.map(tagOf));
  await what();
  assert.deepEqual(await Promise.all(edge.map(tagOf)), before);
  assert.equal(await client.ask('after'), 'after');
  const udp = (names: string[]): string[] => names.filter((name) => name.startsWith('UDP:'));
  assert.deepEqual(udp(await namesOn(edge[0] as RunningPod, 'sessions')), udp(sessions));
}

describe('the operator', () => {
  test('that is killed and started again changes nothing on the proxies', async () => {
    await changesNothing(async () => {
      await mesh().operator.stop('SIGKILL');
      mesh().operator.startAgain();
      await changeSomethingElse();
    });
  });

  test('takes up what has changed while it was away', async () => {
    await mesh().operator.stop('SIGTERM');
    await mesh().cluster.kubectl('delete', 'virtualservice', 'other-1');
    assert((await namesOn(NODE_ADDRESS, 'listeners')).includes('/l7mp.io/v1/VirtualService/default/other-1'));
    mesh().operator.startAgain();
    await until(async () => {
      const names = await namesOn(NODE_ADDRESS, 'listeners');
      return names.length > 0 && !names.includes('/l7mp.io/v1/VirtualService/default/other-1');
    }, 'the listener is gone');
  });
});

describe('a proxy', () => {
  test('that is killed has everything again, and the other one is left alone', async () => {
    const [killed, other] = edge as [RunningPod, RunningPod];
    const before = await tagOf(other);
    killed.signal('l7mp', 'SIGKILL');
    await until(async () => (await namesOn(killed, 'listeners')).length === 0, 'it is down');
    await until(async () => (await namesOn(killed, 'listeners')).includes(ECHO), 'it has the listener again');
    assert.equal(await until(() => client.ask('again', 200), 'an answer'), 'again');
    assert.equal(await tagOf(other), before);
    await mesh().programmed('virtualservices', 'echo');
  });
});

describe('the API server', () => {
  test('that restarts costs the proxies nothing, and the operator goes on', async () => {
    await changesNothing(async () => {
      await mesh().cluster.plane.stopServer('SIGKILL');
      await mesh().cluster.plane.startServer();
      await changeSomethingElse();
    });
  });

  test('that has forgotten what the operator knew (410 Gone) costs the proxies nothing', async () => {
    await changesNothing(async () => {
      mesh().operator.signal('SIGSTOP');
      await mesh().cluster.plane.stopServer('SIGKILL');
      await mesh().cluster.plane.startServer();
      await mesh().cluster.kubectl('delete', 'virtualservice', 'other-2');
      await compact(mesh().cluster.api);
      mesh().operator.signal('SIGCONT');
      await changeSomethingElse();
      const gone = '/l7mp.io/v1/VirtualService/default/other-2';
      await until(async () => !(await namesOn(NODE_ADDRESS, 'listeners')).includes(gone), 'what was deleted is gone');
    });
  });
});
