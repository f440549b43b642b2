/** Sidecars that nobody has written: a pod is annotated, the API server asks the operator, and the pod has a proxy. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import type { KubeObject } from './support/api.ts';
import { UdpClient } from './support/clients.ts';
import { Cluster } from './support/cluster.ts';
import { NODE_ADDRESS, SCRATCH } from './support/node.ts';
import { installKinds, Operator } from './support/operator.ts';

const PORT = 9443;
const TOKEN = 'a-token-for-proxies';
const CONFIGURATION = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/l7mp-operator';
const SECRET = '/api/v1/namespaces/default/secrets/l7mp-operator-webhook';

let cluster: Cluster;
let operator: Operator;

before(async () => {
  cluster = await Cluster.start();
  await installKinds(cluster, '--set', 'injection.enabled=true');
  const token = join(SCRATCH, 'proxy-token');
  writeFileSync(token, `${TOKEN}\n`);
  const webhook = ['--webhook', `${NODE_ADDRESS}:${PORT}`, '--webhook-url', `https://${NODE_ADDRESS}:${PORT}`];
  const proxies = ['--proxy-image', 'l7mp/l7mp:latest', '--proxy-token-file', token];
  operator = await Operator.start(cluster, 'operator', ...webhook, ...proxies);
  await until(async () => (await read(CONFIGURATION)) !== undefined, 'the API server knows of the webhook').catch(
    (error) => {
      throw new Error(`${error.message}: ${operator.lastWords}`);
    },
  );
});

after(async () => {
  await operator?.stop('SIGKILL');
  await cluster?.stop();
});

const read = (path: string): Promise<KubeObject | undefined> => cluster.api.get(path).catch(() => undefined);

const pod = (name: string, annotations: string, more = ''): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: echo }, annotations: { ${annotations} } }
spec:
  terminationGracePeriodSeconds: 1
  ${more}
  containers:
    - name: echo
      image: debian
      command: [node, -e]
      args: ["const s = require('dgram').createSocket('udp4'); s.on('message', (d, from) => s.send('echo: ' + d, from.port, from.address)).bind(100, '127.0.0.1')"]
---
`;

/** Asks without making anything, until the API server has heard of the webhook; then makes the pod. */
async function injected(name: string, annotations: string, more = ''): Promise<KubeObject> {
  const manifest = pod(name, annotations, more);
  const sidecars = ({ spec }: KubeObject) =>
    (spec.initContainers ?? []).filter((one: KubeObject) => one.name === 'l7mp');
  await until(async () => {
    const tried = await cluster.apply(manifest, '--dry-run=server', '--output=json');
    return sidecars(JSON.parse(tried)).length === 1;
  }, `${name} would get a proxy`).catch((error) => {
    throw new Error(`${error.message}: ${operator.lastWords}`);
  });
  await cluster.apply(manifest);
  const object = await cluster.api.get(`/api/v1/namespaces/default/pods/${name}`);
  assert.equal(sidecars(object).length, 1, `${name} has a proxy`);
  return object;
}

const INJECT = 'l7mp.io/inject: "true"';

describe('an annotated pod', () => {
  test('gets a proxy that is programmed, asks for the token, and carries its traffic', async () => {
    const object = await injected('echo', INJECT);
    const [sidecar] = object.spec.initContainers;
    assert.deepEqual([sidecar.restartPolicy, sidecar.image], ['Always', 'l7mp/l7mp:latest']);
    await cluster.apply(`
apiVersion: l7mp.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  selector: { matchLabels: { app: echo } }
  listener:
    spec: { UDP: { port: 5000 } }
    rules:
      - action: { route: { destination: { spec: { UDP: { port: 100 } }, endpoints: [{ spec: { address: 127.0.0.1 } }] } } }
`);
    const running = await cluster.readyPod('echo');
    const client = new UdpClient(5000, running.address);
    const answer = await until(() => client.ask('hello', 200), 'the sidecar answers').catch((error) => {
      throw new Error(`${error.message}: ${operator.lastWords}\n${running.log('l7mp')}`);
    });
    client.close();
    assert.equal(answer, 'echo: hello');
    const api = `http://${running.address}:1234/api/v1/listeners`;
    assert.equal((await fetch(api)).status, 401);
    assert.equal((await fetch(api, { headers: { authorization: `Bearer ${TOKEN}` } })).status, 200);
    const { items } = await cluster.api.get('/api/v1/namespaces/default/secrets');
    const secret = items.find(({ metadata }: KubeObject) => metadata.name.startsWith('l7mp-proxy-token-'));
    assert.deepEqual([secret.immutable, Buffer.from(secret.data.token, 'base64').toString()], [true, TOKEN]);
  });

  test('gets the image, the log level and the port that it asks for, and is refused what cannot be', async () => {
    const own = 'l7mp.io/proxy-image: "registry.example/l7mp:2", l7mp.io/log-level: warn, l7mp.io/proxy-port: "2345"';
    const object = await injected(
      'own',
      `${INJECT}, ${own}`,
      'initContainers: [{ name: first, image: debian, command: ["true"] }]',
    );
    assert.deepEqual(
      object.spec.initContainers.map(({ name }: KubeObject) => name),
      ['l7mp', 'first'],
    );
    assert.equal(object.spec.initContainers[0].image, 'registry.example/l7mp:2');
    assert.match(object.metadata.annotations['l7mp.io/configuration'], /"log_level":"warn"/);
    const { address } = await cluster.kubelet.pod('own');
    const headers = { authorization: `Bearer ${TOKEN}` };
    await until(async () => {
      const answer = await fetch(`http://${address}:2345/api/v1/listeners`, { headers }).catch(() => undefined);
      return (await answer?.text())?.includes('/l7mp.io/v1/VirtualService/default/echo');
    }, 'it is programmed on the port that it asks for');
    await assert.rejects(
      cluster.apply(pod('wrong', `${INJECT}, l7mp.io/log-level: loud`)),
      /l7mp\.io\/log-level: 'loud' is none of/,
    );
    await cluster.kubectl('delete', 'pod', '--wait=false', 'own');
  });

  test('in a Deployment, is what the Deployment’s pods are', async () => {
    await cluster.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web }, annotations: { ${INJECT} } }
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: web, image: debian, command: [sleep, infinity] }] }
`);
    await cluster.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    for (const { object } of cluster.kubelet.pods('web-')) assert.equal(object.spec.initContainers[0].name, 'l7mp');
  });
});

describe('a pod', () => {
  test('that does not ask, or is the cluster’s own, is left as it is', async () => {
    const objects = [
      ['silent', 'a: b', 'default'],
      ['spared', INJECT, 'kube-system'],
    ] as const;
    for (const [name, annotations, namespace] of objects) {
      await cluster.apply(pod(name, annotations), '-n', namespace);
      const { spec } = await cluster.api.get(`/api/v1/namespaces/${namespace}/pods/${name}`);
      assert.equal(spec.initContainers, undefined);
      await cluster.kubectl('delete', 'pod', '--wait=false', '-n', namespace, name);
    }
  });

  test('is made without the operator, too', async () => {
    await operator.stop('SIGKILL');
    await cluster.apply(pod('alone', INJECT));
    const { spec } = await cluster.api.get('/api/v1/namespaces/default/pods/alone');
    assert.equal(spec.initContainers, undefined);
    operator.startAgain();
    await injected('again', INJECT);
  });
});

describe('the certificate', () => {
  test('is made again when its Secret is damaged or removed, and the API server trusts it', async () => {
    const before = await cluster.api.get(SECRET);
    await operator.stop('SIGKILL');
    await cluster.api.patch(SECRET, { data: { 'tls.key': Buffer.from('nonsense').toString('base64') } });
    operator.startAgain();
    const after = await until(async () => {
      const now = await read(SECRET);
      return now?.data['tls.crt'] !== before.data['tls.crt'] && now;
    }, 'there is another certificate');
    const { webhooks } = await cluster.api.get(CONFIGURATION);
    assert.equal(webhooks[0].clientConfig.caBundle, after?.data['ca.crt']);
    await injected('trusted', INJECT);
    await operator.stop('SIGKILL');
    await cluster.kubectl('delete', 'secret', 'l7mp-operator-webhook');
    operator.startAgain();
    await until(async () => read(SECRET), 'there is a Secret again');
    await injected('still', INJECT);
  });

  test('comes with a configuration that nobody has to write, or to keep', async () => {
    await operator.stop('SIGTERM');
    await cluster.kubectl('delete', 'mutatingwebhookconfiguration', 'l7mp-operator');
    operator.startAgain();
    await until(async () => read(CONFIGURATION), 'it is there again');
    await injected('known', INJECT);
  });
});
