/** That the cluster of these tests is one: what they rely on, without anything of l7mp. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { useCluster } from './support/cluster.ts';
import { NODE_ADDRESS } from './support/node.ts';

const cluster = useCluster();

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: debian
          command: [node, -e, 'require("http").createServer((_, res) => res.end(process.env.NAME)).listen(80)']
          env: [{ name: NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
          readinessProbe: { httpGet: { port: 80, path: / } }
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: { app: web }
  ports: [{ port: 80 }]
`;

async function addresses(): Promise<string[]> {
  const { items } = await cluster().api.get(
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=web',
  );
  return (items[0]?.endpoints ?? []).flatMap((endpoint: { addresses: string[]; conditions: { ready: boolean } }) =>
    endpoint.conditions.ready ? endpoint.addresses : [],
  );
}

describe('the cluster of the tests', () => {
  test('runs a Deployment, each pod on an address of its own, behind a Service', async () => {
    await cluster().apply(DEPLOYMENT);
    await cluster().kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    const pods = cluster().kubelet.pods('web-');
    assert.equal(pods.length, 2);
    for (const pod of pods) {
      const answer = await fetch(`http://${pod.address}/`);
      assert.equal(await answer.text(), pod.object.metadata.name);
    }
    await until(async () => (await addresses()).length === 2, 'both are endpoints');
    assert.deepEqual((await addresses()).sort(), pods.map(({ address }) => address).sort());
  });

  test('starts a container that was killed again, with another id', async () => {
    const [pod] = cluster().kubelet.pods('web-');
    assert(pod);
    const path = `/api/v1/namespaces/default/pods/${pod.object.metadata.name}`;
    const status = async () => (await cluster().api.get(path)).status.containerStatuses[0];
    const before = await status();
    pod.signal('web', 'SIGKILL');
    const after = await until(async () => {
      const now = await status();
      return now.restartCount === 1 && now.ready && now;
    }, 'the restart');
    assert.notEqual(after.containerID, before.containerID);
  });

  test('replaces a pod that is deleted, and takes it out of the Service', async () => {
    const [pod] = cluster().kubelet.pods('web-');
    assert(pod);
    await cluster().kubectl('delete', 'pod', pod.object.metadata.name);
    await until(async () => {
      const now = await addresses();
      return now.length === 2 && !now.includes(pod.address);
    }, 'its replacement is an endpoint');
    const gone = fetch(`http://${pod.address}/`, { signal: AbortSignal.timeout(500) });
    await assert.rejects(gone, 'its address is gone');
  });

  test('lets pods reach the node, and has helm', async () => {
    const [pod] = cluster().kubelet.pods('web-');
    assert(pod);
    const answer = await pod.exec('curl', '--silent', '--insecure', `https://${NODE_ADDRESS}:6443/version`);
    assert.match(answer, /"gitVersion": "v1\./);
    assert.equal((await cluster().helm('list', '--no-headers')).trim(), '');
  });
});
