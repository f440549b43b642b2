/** Two replicas of the operator, one of which works. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { echoOn, makeEdge, tagOf, useMesh } from './support/mesh.ts';
import { Operator } from './support/operator.ts';
import type { RunningPod } from './support/pod.ts';

let edge: RunningPod[] = [];
const mesh = useMesh({
  args: ['--leader-elect'],
  prepare: async (made) => {
    edge = await makeEdge(made);
  },
});
let second: Operator | undefined;
after(() => second?.stop('SIGKILL'));

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/default/leases/l7mp-operator';
const holder = async (): Promise<string> => (await mesh().cluster.api.get(LEASE)).spec.holderIdentity ?? '';

describe('a replica of the operator', () => {
  test('that waits changes nothing, and takes over from one that was killed without a change', async () => {
    const first = await until(holder, 'somebody holds the lease');
    second = await Operator.start(mesh().cluster, 'operator-2', '--leader-elect');
    const before = await Promise.all(edge.map(tagOf));

    await mesh().operator.stop('SIGKILL');
    const next = await until(async () => {
      const now = await holder();
      return now !== first && now;
    }, 'another one holds the lease');
    assert.notEqual(next, first);
    await change();
    assert.deepEqual(await Promise.all(edge.map(tagOf)), before);
  });

  test('that ends hands over at once', async () => {
    mesh().operator.startAgain();
    const before = await holder();
    await second?.stop('SIGTERM');
    await until(async () => ![before, ''].includes(await holder()), 'the other one holds the lease');
    await change();
  });
});

let changes = 0;

async function change(): Promise<void> {
  const name = `other-${++changes}`;
  await mesh().cluster.apply(echoOn(7100 + changes, 'l7mp-ingress', name));
  await mesh().programmed('virtualservices', name);
}
