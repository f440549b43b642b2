/** The three tutorials, with what their readers paste. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { askText, dig, UdpClient, udpIsFree } from './support/clients.ts';
import { DNS_NAME, installDns } from './support/dns.ts';
import { ask, useMesh } from './support/mesh.ts';
import { CLUSTER_DNS, type RunningPod } from './support/pod.ts';

const mesh = useMesh();

describe('kube-dns', () => {
  before(() => installDns(mesh().cluster));

  test('what the readme prints makes dig answer', async () => {
    await mesh().paste('tutorials/kube-dns');
    await mesh().programmed('virtualservices', 'kube-dns-vsvc');
    assert.equal(await dig(5053, DNS_NAME), CLUSTER_DNS);
  });

  test('kubectl shows what runs', async () => {
    const table = await mesh().cluster.kubectl('get', 'vsvc');
    const [head = '', row = ''] = table.split('\n');
    assert.match(head, /^NAME +SELECTOR +READY +PROXIES +AGE/);
    assert.match(row, /^kube-dns-vsvc +\S*l7mp-ingress\S* +True +1\/1 +\d+s/);
  });

  test('deleting the object closes the port', async () => {
    await mesh().cluster.kubectl('delete', 'virtualservice', 'kube-dns-vsvc');
    await until(() => udpIsFree(5053), 'the port is free');
    assert.equal(await dig(5053, DNS_NAME), '');
  });
});

describe('dns-task', () => {
  const WHO = 'who.example';
  const pods = (): RunningPod[] => mesh().cluster.kubelet.pods('dns-');

  /** Asks until that pod answers, through its sidecar. */
  const answersFrom = (pod: RunningPod): Promise<unknown> =>
    until(async () => (await askText(5000, WHO)) === pod.object.metadata.name, `an answer of ${pod.name}`);

  test('queries to the ingress are answered by the pods, through their sidecars', async () => {
    await mesh().paste('tutorials/dns-pods');
    await mesh().paste('tutorials/dns');
    await mesh().cluster.kubectl('rollout', 'status', 'deployment/dns', '--timeout=60s');
    for (const name of ['dns-listener', 'gateway']) await mesh().programmed('virtualservices', name);
    assert.equal((await mesh().object('virtualservices', 'dns-listener')).status.proxies.text, '2/2');
    const answer = await askText(5000, WHO);
    assert(
      pods().some((pod) => pod.object.metadata.name === answer),
      answer,
    );
  });

  test('a query a second goes on while a pod is deleted, and its replacement joins', async () => {
    const lost: string[] = [];
    const asking = setInterval(() => {
      askText(5000, WHO).catch((error) => lost.push(error.message));
    }, 1000);
    try {
      // Without a balancer the first endpoint has everything: the one that answers is deleted, then the one that took over.
      const seen = new Set<RunningPod>();
      for (let n = 0; n < 2; n++) {
        const name = await askText(5000, WHO);
        const answering = pods().find((pod) => pod.object.metadata.name === name);
        assert(answering, `${name} is one of the pods`);
        seen.add(answering);
        await mesh().cluster.kubectl('delete', 'pod', name);
        await mesh().cluster.kubectl('rollout', 'status', 'deployment/dns', '--timeout=60s');
      }
      await answersFrom(await until(() => pods().find((pod) => !seen.has(pod)), 'the replacement'));
    } finally {
      clearInterval(asking);
    }
    assert.deepEqual(lost, []);
  });

  test('deleting everything leaves nothing on the proxies', async () => {
    await mesh().unpaste('tutorials/dns');
    await until(() => udpIsFree(5000), 'the port of the ingress is free');
    for (const pod of pods()) await until(() => nothingOfOurs(pod), `${pod.name} is as it was`);
    await mesh().unpaste('tutorials/dns-pods');
  });
});

async function nothingOfOurs(pod: RunningPod): Promise<boolean> {
  const answer = await ask(pod, 'GET', 'config').catch(() => undefined);
  return answer?.status === 200 && !answer.text.includes('/l7mp.io/');
}

for (const variant of ['transcoder', 'transcoder-linked']) {
  describe(variant, () => {
    test('a datagram is transcoded and echoed, and sessions are spread over all pods', async () => {
      await mesh().paste('tutorials/transcoder-pods');
      await mesh().paste('tutorials/transcoder');
      if (variant !== 'transcoder') await mesh().paste(`tutorials/${variant}`);
      await mesh().cluster.kubectl('rollout', 'status', 'deployment/transcoder', '--timeout=60s');
      await mesh().cluster.kubectl('rollout', 'status', 'deployment/worker', '--timeout=60s');
      for (const name of ['uds-cluster', 'websocket-cluster', 'udp-cluster']) await mesh().programmed('targets', name);
      for (const name of ['transcoder-vsvc', 'gateway-vsvc']) await mesh().programmed('virtualservices', name);

      const all = ['transcoder-', 'worker-'].flatMap((name) => mesh().cluster.kubelet.pods(name));
      assert.equal(all.length, 4);
      const seen = new Set<string>();
      await until(async () => {
        const client = new UdpClient(9001);
        const answer = await client.ask('hello');
        client.close();
        const [, worker, transcoder] = /^Echo on (\S+): Transcoded on (\S+): hello$/.exec(answer ?? '') ?? [];
        if (worker && transcoder) seen.add(worker).add(transcoder);
        return all.every((pod) => seen.has(pod.object.metadata.name));
      }, 'answers that have passed each of them');
    });

    test('deleting it closes the port', async () => {
      await mesh().unpaste('tutorials/transcoder');
      await until(() => udpIsFree(9001), 'the port is free');
    });
  });
}
