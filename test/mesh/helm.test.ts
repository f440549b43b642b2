/** What users do: install the chart, paste the first tutorial, ask. The operator is a pod, with its service account's rights. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { ROOT } from '../support/command.ts';
import { dig, udpIsFree } from './support/clients.ts';
import { useCluster } from './support/cluster.ts';
import { DNS_NAME, installDns } from './support/dns.ts';
import { NODE_ADDRESS } from './support/node.ts';
import { pasted } from './support/pasted.ts';
import { CLUSTER_DNS } from './support/pod.ts';

const cluster = useCluster(installDns);

const CHART = join(ROOT, 'charts', 'l7mp-ingress');
const CONFIG = `http://${NODE_ADDRESS}:1234/api/v1/config`;

/** What `kubectl get` shows of the first tutorial's object. */
async function shown(): Promise<string> {
  return (await cluster().kubectl('get', 'vsvc', 'kube-dns-vsvc', '--no-headers')).trim();
}

describe('helm install l7mp charts/l7mp-ingress', () => {
  test('gives each node a proxy, and the cluster an operator', async () => {
    await cluster().helm('install', 'l7mp', CHART);
    await cluster().kubectl('rollout', 'status', 'daemonset/l7mp-ingress', '--timeout=120s');
    await cluster().kubectl('rollout', 'status', 'deployment/l7mp-operator', '--timeout=120s');
  });

  test('makes what is pasted work: DNS on port 5053 of the node', async () => {
    await cluster().apply(await pasted('tutorials/kube-dns'));
    await until(async () => / True +1\/1 /.test(await shown()), 'it is ready');
    assert.equal(await dig(5053, DNS_NAME), CLUSTER_DNS);
  });

  test('keeps the REST API of the node for who has the token', async () => {
    assert.equal((await fetch(CONFIG)).status, 401);
    const secret = await cluster().kubectl('get', 'secret', 'l7mp-proxy-token', '-o=jsonpath={.data.token}');
    const authorization = `Bearer ${Buffer.from(secret, 'base64')}`;
    const config = await (await fetch(CONFIG, { headers: { authorization } })).text();
    assert.match(config, /\/l7mp\.io\/v1\/VirtualService\/default\/kube-dns-vsvc/);
    assert.doesNotMatch(config, new RegExp(authorization));
  });

  test('shows metrics', async () => {
    const metrics = await (await fetch(`http://${NODE_ADDRESS}:8080/metrics`)).text();
    assert.match(
      metrics,
      /listener_requests_total\{listenerName="\/l7mp\.io\/v1\/VirtualService\/default\/kube-dns-vsvc"/,
    );
  });

  test('lets what is deleted go, and closes its port', async () => {
    await cluster().kubectl('delete', 'virtualservice', 'kube-dns-vsvc');
    await until(() => udpIsFree(5053), 'the port is free');
  });

  test('asks the operator for nothing that it may not do', async () => {
    const logs = cluster()
      .kubelet.pods('l7mp-operator')
      .map((pod) => pod.log('l7mp-operator'));
    assert.ok(logs.length > 0);
    for (const log of logs) assert.doesNotMatch(log, /forbidden/i);
  });
});

test('the DaemonSet and the ConfigMap that l7mp 0.5 printed work as they are', async () => {
  await cluster().helm('uninstall', 'l7mp', '--wait');
  await until(
    () =>
      fetch(CONFIG).then(
        () => false,
        () => true,
      ),
    'the proxy is gone',
  );
  await cluster().apply(await pasted('tutorials/ingress'));
  await cluster().kubectl('rollout', 'status', 'daemonset/l7mp-ingress', '--timeout=120s');
  // It has no probes.
  const config = await until(
    () =>
      fetch(CONFIG).then(
        (answer) => answer.json() as Promise<{ listeners: { name: string }[] }>,
        () => undefined,
      ),
    'its REST API answers, and asks for no token',
  );
  assert.deepEqual(
    config.listeners.map(({ name }) => name),
    ['controller-listener'],
  );
});
