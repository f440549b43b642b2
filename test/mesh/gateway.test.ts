/** The Gateway API, as its users write it: a Gateway gets proxies of its own, and routes lead through them to Services. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Authority, type Certificate, texts } from '../support/certificates.ts';
import { program } from '../support/programs.ts';
import { Cluster } from './support/cluster.ts';
import { gatewayObject, installGatewayApi, listener, parent, says, whole } from './support/gateway-api.ts';
import { ask, namesOn, tagOf } from './support/mesh.ts';
import { NODE_ADDRESS } from './support/node.ts';
import { installKinds, Operator } from './support/operator.ts';
import type { RunningPod } from './support/pod.ts';

let cluster: Cluster;
let operator: Operator;

before(async () => {
  cluster = await Cluster.start();
  await installKinds(cluster);
  await installGatewayApi(cluster);
  operator = await Operator.start(cluster, 'operator', '--proxy-image', 'l7mp/l7mp:latest');
  await cluster.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: l7mp }
spec: { controllerName: l7mp.io/gateway-operator }
`);
});

after(async () => {
  await operator?.stop('SIGKILL');
  await cluster?.stop();
});

/** Servers on UDP and TCP port 9000 that answer with the name of their pod; after SIGTERM they go on for two seconds. */
const backend = (name: string, replicas: number, namespace = 'default'): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: server
          image: debian
          command: [node, -e]
          args:
            - |
              const udp = require('dgram').createSocket('udp4');
              udp.on('message', (data, from) => udp.send(process.env.POD + ' ' + data, from.port, from.address)).bind(9000);
              require('net').createServer((socket) => socket.on('error', () => {}).end(process.env.POD)).listen(9000);
              process.on('SIGTERM', () => setTimeout(() => process.exit(), 2000));
          env: [{ name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
          ports: [{ name: dgram, containerPort: 9000, protocol: UDP }, { name: stream, containerPort: 9000 }]
          readinessProbe: { tcpSocket: { port: 9000 } }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  selector: { app: ${name} }
  ports:
    - { name: dgram, protocol: UDP, port: 53, targetPort: dgram }
    - { name: stream, protocol: TCP, port: 53, targetPort: stream }
---
`;

const gateway = (name: string, listeners: string, more = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name} }
spec:
  gatewayClassName: l7mp
  infrastructure: { annotations: { l7mp.io/service-type: ClusterIP } }
  ${more}
  listeners: [${listeners}]
---
`;

const route = (
  kind: 'UDPRoute' | 'TCPRoute',
  name: string,
  parents: string,
  backends: string,
  namespace = 'default',
): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace} }
spec: { parentRefs: [${parents}], rules: [{ backendRefs: [${backends}] }] }
---
`;

/** Who answers a new client; undefined where nobody does. */
async function askUdp(pod: RunningPod, port: number, patience = 1000): Promise<string | undefined> {
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  const answer = once(socket, 'message', { signal: AbortSignal.timeout(patience) }).then(
    ([data]) => String(data).split(' ')[0],
    () => undefined,
  );
  socket.send('x', port, pod.address);
  const name = await answer;
  socket.close();
  return name;
}

/** Empty where the connection is closed without an answer. */
async function askTcp(pod: RunningPod, port: number): Promise<string> {
  const socket = connect(port, pod.address);
  let text = '';
  socket.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  return text;
}

/** The only proxy of a Gateway. */
const proxyOf = (name: string): Promise<RunningPod> => cluster.kubelet.pod(`${name}-l7mp-`);

const PROGRAMMED = 'Accepted=True Accepted, Programmed=True Programmed';
const ACCEPTED = 'Accepted=True Accepted, ResolvedRefs=True ResolvedRefs';
const LISTENS =
  'Accepted=True Accepted, ResolvedRefs=True ResolvedRefs, Conflicted=False NoConflicts, Programmed=True Programmed';

describe('a Gateway', () => {
  test('gets proxies and an address; datagrams go from its port to the pods of a Service', async () => {
    await cluster.apply(
      backend('dns', 2) +
        gateway('edge', '{ name: dns, protocol: UDP, port: 53 }') +
        route('UDPRoute', 'dns', '{ name: edge, sectionName: dns }', '{ name: dns, port: 53 }'),
    );
    const { status } = await says(cluster, ['gateways', 'edge'], whole, PROGRAMMED);
    await says(cluster, ['gateways', 'edge'], listener('dns'), LISTENS);
    await says(cluster, ['udproutes', 'dns'], parent(0), ACCEPTED);
    const service = await cluster.api.get('/api/v1/namespaces/default/services/edge-l7mp');
    assert.deepEqual(status.addresses, [{ type: 'IPAddress', value: service.spec.clusterIP }]);
    assert.equal(status.listeners[0].attachedRoutes, 1);
    const proxy = await proxyOf('edge');
    const answered = new Set<string | undefined>();
    await until(
      async () => answered.add(await askUdp(proxy, 53)).size > 1 && !answered.has(undefined),
      'both answer',
    ).catch(() => {
      throw new Error(`answers came from ${[...answered]}: ${operator.lastWords}`);
    });
  });

  test('loses no answer when one of two backends goes, and uses the one that replaces it', async () => {
    const proxy = await proxyOf('edge');
    const [first] = cluster.kubelet.pods('dns-');
    assert(first);
    let lost = 0;
    let asking = true;
    const asked = (async () => {
      let count = 0;
      for (; asking; count++) if ((await askUdp(proxy, 53)) === undefined) lost++;
      return count;
    })();
    await cluster.kubectl('delete', 'pod', '--wait=false', first.object.metadata.name);
    await until(
      () => cluster.kubelet.pods('dns-').length === 2 && !cluster.kubelet.pods('dns-').includes(first),
      'a new pod',
    );
    const [, second] = cluster.kubelet.pods('dns-');
    await until(async () => (await askUdp(proxy, 53)) === second?.object.metadata.name, 'the new one answers');
    asking = false;
    assert.ok((await asked) > 10);
    assert.equal(lost, 0);
  });

  test('keeps what its proxies have when the operator is killed and comes back', async () => {
    const proxy = await proxyOf('edge');
    const backends = encodeURIComponent('/gateway.networking.k8s.io/v1/UDPRoute/default/dns/backends');
    await until(
      async () => (await ask(proxy, 'GET', `clusters/${backends}/endpoints`)).body.length === 2,
      'the pod that went is gone',
    );
    const tag = await tagOf(proxy);
    await operator.stop('SIGKILL');
    assert.ok(await askUdp(proxy, 53));
    operator.startAgain();
    await cluster.kubectl('annotate', 'gateway', 'edge', 'seen=again');
    await cluster.apply(gateway('other', '{ name: udp, protocol: UDP, port: 54 }'));
    await says(cluster, ['gateways', 'other'], whole, PROGRAMMED);
    assert.equal(await tagOf(proxy), tag);
    await cluster.kubectl('delete', 'gateway', 'other');
  });

  test('takes a new listener without another pod, and drops one', async () => {
    const proxy = await proxyOf('edge');
    await cluster.apply(
      gateway('edge', '{ name: dns, protocol: UDP, port: 53 }, { name: tcp, protocol: TCP, port: 53 }'),
    );
    await cluster.apply(route('TCPRoute', 'dns', '{ name: edge, port: 53 }', '{ name: dns, port: 53 }'));
    await says(cluster, ['gateways', 'edge'], whole, PROGRAMMED);
    await says(cluster, ['tcproutes', 'dns'], parent(0), ACCEPTED);
    await until(async () => (await askTcp(proxy, 53)).startsWith('dns-'), 'TCP is answered');
    assert.equal(await proxyOf('edge'), proxy);
    await cluster.apply(gateway('edge', '{ name: dns, protocol: UDP, port: 53 }'));
    await says(
      cluster,
      ['tcproutes', 'dns'],
      parent(0),
      'Accepted=False NotAllowedByListeners, ResolvedRefs=True ResolvedRefs',
    );
    await until(async () => !(await namesOn(proxy, 'listeners')).some((name) => name.endsWith('/tcp')), 'it is gone');
    assert.ok(await askUdp(proxy, 53));
  });

  test('gets its Deployment and Service back when somebody deletes them', async () => {
    await cluster.kubectl('delete', 'deployment', 'edge-l7mp');
    await cluster.kubectl('delete', 'service', 'edge-l7mp');
    await until(() => cluster.kubelet.pods('edge-l7mp-').length === 0, 'its pods are gone');
    const proxy = await proxyOf('edge');
    await until(async () => askUdp(proxy, 53), 'the new proxy answers');
    await says(cluster, ['gateways', 'edge'], whole, PROGRAMMED);
  });

  test('goes with all that it has', async () => {
    await cluster.kubectl('delete', 'gateway', 'edge');
    await until(() => cluster.kubelet.pods('edge-l7mp-').length === 0, 'its pods are gone');
    await assert.rejects(cluster.kubectl('get', 'service', 'edge-l7mp'), /not found/);
    await until(
      async () => (await gatewayObject(cluster, 'udproutes', 'dns')).status.parents.length === 0,
      'nothing is said of it',
    );
  });
});

describe('a route', () => {
  before(async () => {
    const listeners = ['weighted', 'missing', 'shared'].map(
      (name, n) => `{ name: ${name}, protocol: TCP, port: ${7001 + n} }`,
    );
    await cluster.apply(backend('stable', 2) + backend('canary', 1) + backend('idle', 1));
    await cluster.apply(gateway('routes', listeners.join(', ')));
    await says(cluster, ['gateways', 'routes'], whole, PROGRAMMED);
  });

  /** How often each backend answers; '' where the connection was refused. */
  async function shares(port: number, count: number): Promise<Record<string, number>> {
    const proxy = await proxyOf('routes');
    const all: Record<string, number> = { stable: 0, canary: 0, idle: 0, '': 0 };
    for (let n = 0; n < count; n++) {
      const name = (await askTcp(proxy, port)).split('-')[0] ?? '';
      all[name] = (all[name] ?? 0) + 1;
    }
    return all;
  }

  test('shares connections among Services by their weights, whatever the number of their pods', async () => {
    const backends =
      '{ name: stable, port: 53, weight: 3 }, { name: canary, port: 53, weight: 1 }, { name: idle, port: 53, weight: 0 }';
    await cluster.apply(route('TCPRoute', 'weighted', '{ name: routes, sectionName: weighted }', backends));
    await says(cluster, ['tcproutes', 'weighted'], parent(0), ACCEPTED);
    const proxy = await proxyOf('routes');
    await until(async () => (await askTcp(proxy, 7001)) !== '', 'it is answered');
    const { stable = 0, canary = 0, idle, '': refused } = await shares(7001, 400);
    // Chance: 300 of 400, with a standard deviation of 9.
    assert.ok(stable > 250 && stable < 350, `${stable} of 400`);
    assert.deepEqual([stable + canary, idle, refused], [400, 0, 0]);
  });

  test('refuses the share of a Service that is not there, and says so', async () => {
    const backends = '{ name: stable, port: 53, weight: 1 }, { name: nobody, port: 53, weight: 1 }';
    await cluster.apply(route('TCPRoute', 'missing', '{ name: routes, sectionName: missing }', backends));
    await says(
      cluster,
      ['tcproutes', 'missing'],
      parent(0),
      'Accepted=True Accepted, ResolvedRefs=False BackendNotFound',
    );
    const proxy = await proxyOf('routes');
    await until(async () => (await askTcp(proxy, 7002)) !== '', 'it is answered');
    const { stable = 0, '': refused = 0 } = await shares(7002, 200);
    assert.ok(stable > 60 && stable < 140, `${stable} of 200`);
    assert.equal(stable + refused, 200);
  });

  test('of several on one listener the oldest has it, until it goes', async () => {
    await cluster.apply(
      route('TCPRoute', 'older', '{ name: routes, sectionName: shared }', '{ name: stable, port: 53 }'),
    );
    const older = await gatewayObject(cluster, 'tcproutes', 'older');
    // Their age is told to the second.
    await until(() => Date.now() >= Date.parse(older.metadata.creationTimestamp) + 2000, 'a second has passed');
    await cluster.apply(
      route('TCPRoute', 'newer', '{ name: routes, sectionName: shared }', '{ name: canary, port: 53 }'),
    );
    await says(cluster, ['tcproutes', 'newer'], parent(0), ACCEPTED);
    await until(async () => {
      const { status } = await gatewayObject(cluster, 'gateways', 'routes');
      return status.listeners.find(({ name }: { name: string }) => name === 'shared').attachedRoutes === 2;
    }, 'both are attached');
    const proxy = await proxyOf('routes');
    await until(async () => (await askTcp(proxy, 7003)) !== '', 'it is answered');
    assert.equal((await shares(7003, 40)).stable, 40);
    await cluster.kubectl('delete', 'tcproute', 'older');
    await until(async () => (await askTcp(proxy, 7003)).startsWith('canary-'), 'the newer has it');
  });

  test('reaches another namespace’s Service by a ReferenceGrant alone', async () => {
    await cluster.kubectl('create', 'namespace', 'far');
    await cluster.apply(backend('remote', 1, 'far'));
    await cluster.apply(
      route(
        'TCPRoute',
        'weighted',
        '{ name: routes, sectionName: weighted }',
        '{ name: remote, namespace: far, port: 53 }',
      ),
    );
    await says(
      cluster,
      ['tcproutes', 'weighted'],
      parent(0),
      'Accepted=True Accepted, ResolvedRefs=False RefNotPermitted',
    );
    const proxy = await proxyOf('routes');
    await until(async () => (await askTcp(proxy, 7001)) === '', 'nothing is carried');
    await cluster.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: from-default, namespace: far }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: TCPRoute, namespace: default }]
  to: [{ group: "", kind: Service, name: remote }]
`);
    await says(cluster, ['tcproutes', 'weighted'], parent(0), ACCEPTED);
    await until(async () => (await askTcp(proxy, 7001)).startsWith('remote-'), 'it is answered');
  });
});

describe('a listener that terminates TLS', () => {
  const secretOf = (name: string, certificate: Certificate, namespace = 'default'): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': texts(certificate).cert, 'tls.key': texts(certificate).key },
    });

  /** What openssl says of a connection that asks for the name, and what came in it. */
  async function askTls(pod: RunningPod, port: number, name?: string): Promise<{ subject: string; answer: string }> {
    const server = name === undefined ? ['-noservername'] : ['-servername', name];
    const child = spawn(program('openssl'), ['s_client', '-connect', `${pod.address}:${port}`, '-ign_eof', ...server]);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    child.stderr.resume();
    child.stdin.on('error', () => {});
    await once(child, 'close');
    return {
      subject: /^subject=(?:CN ?= ?)?(.*)$/m.exec(text)?.[1] ?? '',
      answer: /(?:web|api)(?:-[a-z0-9]+)+/.exec(text)?.[0] ?? '',
    };
  }

  const UNRESOLVED = (reason: string): string =>
    LISTENS.replace('=True ResolvedRefs', `=False ${reason}`).replace('=True Programmed', '=False Invalid');
  const secure = (name: string, port: number, ref: string, hostname = ''): string =>
    `{ name: ${name}, protocol: TLS, port: ${port}, ${hostname && `hostname: "${hostname}", `}tls: { mode: Terminate, certificateRefs: [${ref}] } }`;

  let authority: Authority;
  let forget: (() => Promise<void>) | undefined;

  after(() => forget?.());

  before(async () => {
    authority = await Authority.make((end) => {
      forget = end;
    });
    await cluster.apply(backend('web', 1) + backend('api', 1));
    await cluster.kubectl('create', 'namespace', 'vault');
  });

  test('waits for its Secret, serves what it holds, and says what is wrong with another one', async () => {
    const listeners = [
      secure('web', 443, '{ name: web-tls }'),
      secure('far', 444, '{ name: far-tls, namespace: vault }'),
    ];
    await cluster.apply(
      gateway('secure', `${listeners.join(', ')}, { name: plain, protocol: TCP, port: 80 }`) +
        route('TCPRoute', 'web', '{ name: secure }', '{ name: web, port: 53 }'),
    );
    await says(cluster, ['gateways', 'secure'], whole, 'Accepted=True ListenersNotValid, Programmed=True Programmed');
    await says(cluster, ['gateways', 'secure'], listener('web'), UNRESOLVED('InvalidCertificateRef'));
    await says(cluster, ['gateways', 'secure'], listener('far'), UNRESOLVED('RefNotPermitted'));
    const certificate = await authority.issue({ names: 'DNS:one.example' });
    await cluster.apply(secretOf('web-tls', certificate));
    await cluster.apply(secretOf('far-tls', await authority.issue({ names: 'DNS:far.example' }), 'vault'));
    await says(cluster, ['gateways', 'secure'], listener('web'), LISTENS);
    const proxy = await proxyOf('secure');
    await until(async () => (await askTls(proxy, 443)).answer.startsWith('web-'), 'it is answered');
    assert.equal((await askTls(proxy, 443)).subject, 'one.example');
    await cluster.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: secure, namespace: vault }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: Gateway, namespace: default }]
  to: [{ group: "", kind: Secret, name: far-tls }]
`);
    await says(cluster, ['gateways', 'secure'], whole, PROGRAMMED);
    assert.equal((await askTls(proxy, 444)).subject, 'far.example');
    const shown = JSON.stringify((await ask(proxy, 'GET', 'listeners')).body);
    assert.ok(shown.includes('<redacted>'));
    for (const text of [shown, operator.log, JSON.stringify(await gatewayObject(cluster, 'gateways', 'secure'))]) {
      assert.ok(!text.includes('PRIVATE KEY') && !text.includes(texts(certificate).key.split('\n')[1] ?? ''));
    }
  });

  test('takes up another certificate in place, and no connection is lost', async () => {
    const proxy = await proxyOf('secure');
    await cluster.apply(secretOf('web-tls', await authority.issue({ names: 'DNS:two.example' })));
    await until(async () => {
      const { subject, answer } = await askTls(proxy, 443);
      assert.ok(answer.startsWith('web-'));
      return subject === 'two.example';
    }, 'the new certificate is shown');
    const tag = await tagOf(proxy);
    await cluster.kubectl('annotate', 'gateway', 'secure', 'seen=again');
    await cluster.apply(gateway('later', '{ name: udp, protocol: UDP, port: 54 }'));
    await says(cluster, ['gateways', 'later'], whole, PROGRAMMED);
    assert.equal(await tagOf(proxy), tag);
  });

  test('keeps its port while the operator is killed and comes back', async () => {
    const proxy = await proxyOf('secure');
    const tag = await tagOf(proxy);
    await operator.stop('SIGKILL');
    assert.equal((await askTls(proxy, 443)).subject, 'two.example');
    operator.startAgain();
    await cluster.apply(gateway('later', '{ name: udp, protocol: UDP, port: 55 }'));
    await says(cluster, ['gateways', 'later'], whole, PROGRAMMED);
    assert.equal(await tagOf(proxy), tag);
    await cluster.kubectl('delete', 'gateway', 'later');
  });

  test('shares its port with others by their hostnames, each with its certificate and its routes', async () => {
    await cluster.apply(secretOf('a-tls', await authority.issue({ names: 'DNS:a.example' })));
    const listeners = [secure('rest', 443, '{ name: web-tls }'), secure('a', 443, '{ name: a-tls }', 'a.example')];
    await cluster.apply(
      gateway('names', listeners.join(', ')) +
        route('TCPRoute', 'rest', '{ name: names, sectionName: rest }', '{ name: web, port: 53 }') +
        route('TCPRoute', 'a', '{ name: names, sectionName: a }', '{ name: api, port: 53 }'),
    );
    await says(cluster, ['gateways', 'names'], whole, PROGRAMMED);
    const proxy = await proxyOf('names');
    await until(async () => (await askTls(proxy, 443, 'a.example')).answer.startsWith('api-'), 'its route is there');
    assert.equal((await askTls(proxy, 443, 'A.example')).subject, 'a.example');
    const other = await askTls(proxy, 443, 'b.example');
    assert.ok(other.answer.startsWith('web-'));
    assert.equal(other.subject, 'two.example');
  });

  test('is closed when its Secret goes, or is of no use', async () => {
    await cluster.kubectl('delete', 'secret', 'web-tls');
    await says(cluster, ['gateways', 'secure'], listener('web'), UNRESOLVED('InvalidCertificateRef'));
    const proxy = await proxyOf('secure');
    await until(async () => (await askTls(proxy, 443)).subject === '', 'nobody listens');
    assert.equal((await askTls(proxy, 444)).subject, 'far.example');
  });

  test('passes TLS through by the name that is asked for', async (t) => {
    const server = await authority.issue({ names: 'DNS:inner.example' });
    const { cert, key } = texts(server);
    const port = await freePort();
    const inner = createTlsServer({ cert, key }, (socket) => socket.on('error', () => {}).end('web-inner'));
    inner.listen(port, NODE_ADDRESS);
    await once(inner, 'listening');
    t.after(() => inner.close());
    await cluster.apply(`
apiVersion: v1
kind: Service
metadata: { name: inner }
spec: { ports: [{ port: 443, targetPort: ${port} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: inner, labels: { kubernetes.io/service-name: inner } }
addressType: IPv4
ports: [{ name: "", port: ${port} }]
endpoints: [{ addresses: [${NODE_ADDRESS}] }]
---
${gateway('passing', '{ name: tls, protocol: TLS, port: 443, hostname: "*.example", tls: { mode: Passthrough } }')}
${route('TCPRoute', 'passing', '{ name: passing }', '{ name: inner, port: 443 }')}
`);
    await says(cluster, ['gateways', 'passing'], whole, PROGRAMMED);
    const proxy = await proxyOf('passing');
    await until(async () => (await askTls(proxy, 443, 'x.example')).answer === 'web-inner', 'it is answered');
    assert.equal((await askTls(proxy, 443, 'x.example')).subject, 'inner.example');
    assert.equal((await askTls(proxy, 443, 'x.test')).subject, '');
  });
});

describe('what cannot be', () => {
  test('is said of each listener, and costs the others nothing', async () => {
    const listeners = [
      '{ name: udp, protocol: UDP, port: 5000 }',
      '{ name: http, protocol: HTTP, port: 80, allowedRoutes: { kinds: [{ kind: HTTPRoute }] } }',
      '{ name: https, protocol: HTTPS, port: 443, tls: { certificateRefs: [{ name: any }] } }',
      '{ name: api, protocol: TCP, port: 1234 }',
      '{ name: clash-a, protocol: TCP, port: 81 }',
      '{ name: clash-b, protocol: HTTP, port: 81 }',
    ];
    await cluster.apply(gateway('odd', listeners.join(', ')));
    await says(cluster, ['gateways', 'odd'], whole, 'Accepted=True ListenersNotValid, Programmed=True Programmed');
    const refused = (reason: string, conflict = 'False NoConflicts') =>
      `Accepted=False ${reason}, ResolvedRefs=True ResolvedRefs, Conflicted=${conflict}, Programmed=False Invalid`;
    await says(cluster, ['gateways', 'odd'], listener('udp'), LISTENS);
    await says(
      cluster,
      ['gateways', 'odd'],
      listener('http'),
      LISTENS.replace('=True ResolvedRefs', '=False InvalidRouteKinds'),
    );
    await says(cluster, ['gateways', 'odd'], listener('https'), refused('UnsupportedProtocol'));
    await says(cluster, ['gateways', 'odd'], listener('api'), refused('PortUnavailable'));
    await says(cluster, ['gateways', 'odd'], listener('clash-a'), refused('ProtocolConflict', 'True ProtocolConflict'));
    const proxy = await proxyOf('odd');
    const answer = await fetch(`http://${proxy.address}/`);
    assert.equal(answer.status, 404);
  });

  test('is an address that the cluster does not give', async () => {
    await cluster.apply(
      gateway('static', '{ name: udp, protocol: UDP, port: 5000 }', 'addresses: [{ value: 192.0.2.1 }]'),
    );
    await says(cluster, ['gateways', 'static'], whole, 'Accepted=True Accepted, Programmed=False AddressNotUsable');
    await cluster.apply(
      gateway('static', '{ name: udp, protocol: UDP, port: 5000 }', 'addresses: [{ value: 10.96.0.77 }]'),
    );
    const { status } = await says(cluster, ['gateways', 'static'], whole, PROGRAMMED);
    assert.deepEqual(status.addresses, [{ type: 'IPAddress', value: '10.96.0.77' }]);
  });
});
