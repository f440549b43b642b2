/** The custom resources on a real API server: what it takes, what it refuses, and what kubectl shows. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { FOLDER } from '../../scripts/crds/files.ts';
import { until } from '../../src/testing/until.ts';
import { ROOT } from '../support/command.ts';
import { REFUSED } from './invalid-objects.ts';
import { useCluster } from './support/cluster.ts';

const cluster = useCluster(async (world) => {
  await world.kubectl('apply', '-f', join(ROOT, FOLDER));
  await world.kubectl('wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all');
});

const PLURALS = {
  VirtualService: 'virtualservices',
  Target: 'targets',
  Route: 'routes',
  RuleList: 'rulelists',
  Rule: 'rules',
} as const;

type Kind = keyof typeof PLURALS;

/** As `kubectl create` asks for it: fields that are not known are an error. */
function create(kind: Kind, spec: object, query = 'dryRun=All&fieldValidation=Strict') {
  const object = { apiVersion: 'l7mp.io/v1', kind, metadata: { name: 'x' }, spec };
  return cluster().api.request('POST', `/apis/l7mp.io/v1/namespaces/default/${PLURALS[kind]}?${query}`, object);
}

describe('the API server takes', () => {
  for (const file of globSync('test/mesh/tutorials/*.yaml', { cwd: ROOT })) {
    test(file, async () => {
      await cluster().apply(readFileSync(join(ROOT, file), 'utf8'), '--dry-run=server');
    });
  }

  test('names of listeners and clusters, as the tutorials of l7mp 0.5 have them', async () => {
    const spec = { WebSocket: { port: 8888 } };
    const rules = [{ action: { route: { destination: { name: 'x', spec }, ingress: [{ name: 'y', spec }] } } }];
    await create('VirtualService', { selector: {}, listener: { name: 'websocket', spec, rules } });
    await create('Target', { cluster: { name: 'udp-cluster', spec: { UDP: { port: 5000 } } } });
  });

  test('every protocol, and each way of writing what stands in a chain', async () => {
    const header = [{ path: '/a' }, { path: { from: '/a', to: '/b' } }, { set: { key: '/c', value: [{}, null] } }];
    const ingress = [
      'target',
      '/l7mp.io/v1/Target/default/x',
      '/apis/l7mp.io/v1/namespaces/default/targets/x',
      '/api/v1/namespaces/default/services/x',
      { clusterRef: '/l7mp.io/v1/VirtualService/default/x' },
      { cluster: { spec: { Logger: { log_file: '-' } } } },
      ...['Stdio', 'Echo', 'Discard', 'JSONEncap', 'JSONDecap', 'Metric'].map((name) => ({ spec: { [name]: {} } })),
      { spec: { Sync: { query: '/a' } } },
      { spec: { TCP: { port: 1 } }, endpoints: [{ spec: { address: '::1', port: 2 }, weight: 0 }] },
      { spec: { WebSocket: { transport: { UnixDomainSocket: {} } } }, endpoints: [{ spec: { filename: '/a' } }] },
      { spec: { JSONSocket: { transport: { WebSocket: { port: 1 } }, header } } },
      { spec: { WebSocket: { port: 1 } }, options: { ping_interval: 0 } },
    ];
    await create('Route', { route: { destination: { spec: { UDP: { port: 1 } } }, ingress, egress: ingress } });
  });

  test('addresses of every form', async () => {
    const addresses = [
      '10.0.0.1',
      '::1',
      '[fe80::1%eth0]',
      '::ffff:10.0.0.1',
      'web',
      'web.default.svc.',
      '_dns.web-1',
      '1.a',
    ];
    const endpoints = addresses.map((address) => ({ spec: { address } }));
    const bind = { address: '::' };
    await create('Target', { cluster: { spec: { UDP: { port: 1, bind } }, endpoints } });
    await create('Route', { route: { destination: { spec: { UDP: { port: 1, bind } }, endpoints } } });
    const spec = { UnixDomainSocket: {} };
    await create('Target', { cluster: { spec, endpoints: [{ spec: { address: '/run/a b.sock' } }] } });
  });

  test('what stands below a protocol, and who may come', async () => {
    const rules: object[] = [];
    const options = { allow: ['10.0.0.0/8', '::1', 'fd00::/8'], deny: ['192.0.2.1'] };
    const pair = { cert: '/a.pem', key: '/a.key' };
    for (const tls of [
      pair,
      { ...pair, ca: '/ca.pem', client_auth: 'require' },
      { strict_sni: true, certificates: [{ servernames: ['a.example'], ...pair }] },
      { mode: 'passthrough' },
    ]) {
      const spec = { TCP: { port: 1, tls, proxy_protocol: true, proxy_protocol_from: ['10.0.0.0/8', '::1'] } };
      await create('VirtualService', { selector: {}, listener: { spec, rules, options } });
    }
    await create('VirtualService', { selector: {}, listener: { spec: { UDP: { port: 1, tls: pair } }, rules } });
    for (const spec of [{ filename: '/a' }, { read: '/a', write: '/b' }, { filename: '/a', write: '/b' }]) {
      await create('VirtualService', { selector: {}, listener: { spec: { PIPE: spec }, rules } });
    }
    for (const tls of [{}, { ...pair, ca: '/ca.pem' }, { verify: false }]) {
      await create('Route', { route: { destination: { spec: { TCP: { port: 1, tls } } } } });
    }
  });

  test('ranges of ports, and ports that are in metadata', async () => {
    const rules: object[] = [];
    for (const protocol of ['UDP', 'TCP', 'HTTP', 'WebSocket', 'SCTP']) {
      await create('VirtualService', { selector: {}, listener: { spec: { [protocol]: { ports: '1-65535' } }, rules } });
      const port = { path: '/UDP/dst_port', offset: -5 };
      await create('Target', {
        cluster: { spec: { [protocol]: { port } }, endpoints: [{ spec: { address: '::1' } }] },
      });
      await create('Route', { route: { destination: { spec: { [protocol]: { port } } } } });
    }
  });

  test('predicates and rewrites', async () => {
    const deep = { op: 'not', apply: [{ op: 'or', apply: [{ op: 'and', apply: [{ op: 'new' }] }] }] };
    const match = { op: 'and', path: '/a', apply: [{ op: 'defined' }, { op: 'in', path: '/b', value: [1] }, deep] };
    const rewrite = [
      { path: '/a', value: null },
      { path: 'b', valueStr: '1' },
      { path: '/', value: { a: 1 } },
      { path: '/HTTP/headers/x-client', from: '/IP/src_addr' },
      { path: '/', from: 'labels' },
    ];
    const rules = [{ name: 'r', match, action: { rewrite, routeRef: 'route', apply: 'other' } }];
    await create('RuleList', { rules });
    await create('VirtualService', { selector: {}, listener: { spec: { TCP: { port: 1 } }, rules } });
  });

  test('a Target that links a VirtualService, with a balancer of its own', async () => {
    await create('Target', {
      linkedVirtualService: 'transcoder-vsvc',
      cluster: { loadbalancer: { policy: 'ConsistentHash', key: 'IP/src_addr' } },
    });
  });
});

test('it fills in defaults', async () => {
  const { spec } = await create('Route', { route: { destination: 'x', retry: { retry_on: 'always' } } });
  assert.deepEqual(spec.route.retry, { retry_on: 'always', num_retries: 1, timeout: 2000 });
  assert.equal(spec.updateOwners, false);
});

describe('it refuses', () => {
  for (const { why, kind, spec, says } of REFUSED) {
    test(`a ${kind}: ${why}`, async () => {
      await assert.rejects(create(kind, spec), ({ status, message }) => {
        assert.match(message, says);
        return status === 422 || status === 400;
      });
    });
  }

  test('without strict fields, what it does not know cannot pass for something else', async () => {
    const spec = { selector: {}, listener: { spec: { UPD: { port: 1 } } }, rules: [] };
    await assert.rejects(create('VirtualService', spec, 'dryRun=All'), /exactly one protocol/);
  });
});

describe('kubectl', () => {
  test('explains every field', async () => {
    const udp = await cluster().kubectl('explain', 'vsvc.spec.listener.spec.UDP');
    assert.match(udp, /port\t<integer>\n\s+The port on which it listens; or `ports`\./);
    const destination = await cluster().kubectl('explain', 'vsvc.spec.rules.action.route.destination.endpoints');
    assert.match(destination, /selector\t<Object>\n\s+The pods that are endpoints/);
  });

  test('shows what is ready, on how many proxies', async () => {
    await cluster().apply(readFileSync(join(ROOT, 'test/mesh/tutorials/kube-dns.yaml'), 'utf8'));
    const path = '/apis/l7mp.io/v1/namespaces/default/virtualservices/kube-dns-vsvc';
    const condition = {
      type: 'Programmed',
      status: 'True',
      reason: 'Programmed',
      message: '',
      observedGeneration: 1,
      lastTransitionTime: new Date().toISOString(),
    };
    const status = {
      conditions: [condition],
      proxies: { selected: 2, programmed: 2, text: '2/2' },
      children: { applied: { '/l7mp.io/v1/Target/default/x': 3 } },
    };
    await cluster().api.patch(`${path}/status`, { status });
    const [head = '', line = ''] = (await cluster().kubectl('get', 'vsvc', 'kube-dns-vsvc')).split('\n');
    assert.match(head, /^NAME +SELECTOR +READY +PROXIES +AGE$/);
    assert.match(line, /^kube-dns-vsvc +\{"matchLabels":\{"app":"l7mp-ingress"\}\} +True +2\/2 +\S+$/);
    assert.match(await cluster().kubectl('get', 'l7mp'), /virtualservice\.l7mp\.io\/kube-dns-vsvc/);
    await cluster().kubectl('delete', 'virtualservice', 'kube-dns-vsvc');
    await until(async () => !(await cluster().kubectl('get', 'vsvc')).includes('kube-dns'), 'it is gone');
  });

  test('lists rules and rulelists, whose kinds differ', async () => {
    const kindOf = async (plural: string) => (await cluster().api.get(`/apis/l7mp.io/v1/${plural}`)).kind;
    assert.deepEqual([await kindOf('rules'), await kindOf('rulelists')], ['RuleItems', 'RuleListList']);
  });
});
