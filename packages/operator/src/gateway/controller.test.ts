import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { until } from '../../../../src/testing/until.ts';
import { Cluster } from '../cluster/cluster.ts';
import { ApiClient } from '../kubernetes/api.ts';
import { Discovery } from '../kubernetes/discovery.ts';
import type { Resource } from '../kubernetes/resource.ts';
import { FakeApi, type FakeObject, type FakeRequest, refuse, reply } from '../kubernetes/testing.ts';
import { KINDS } from '../resources/kinds.ts';
import type { Condition } from '../resources/objects.ts';
import type { Progress } from '../status/progress.ts';
import { GatewayController } from './controller.ts';
import { GatewayFront } from './front.ts';

const DEPLOYMENTS: Resource = { group: 'apps', version: 'v1', plural: 'deployments' };
const GROUP = '/apis/gateway.networking.k8s.io/v1';
const YAML = readFileSync(new URL('goldens/udp.yaml', import.meta.url), 'utf8');
const RESOURCES: Readonly<Record<string, Resource>> = KINDS;

let fake: FakeApi;
let api: ApiClient;
let cluster: Cluster;
let controller: GatewayController | undefined;
let events: string[];
let failures: string[];
let progress: Progress | undefined;
let provided: Set<string>;

beforeEach(async () => {
  fake = await FakeApi.start(...Object.values(KINDS), DEPLOYMENTS);
  fake.intercept = discovery;
  events = [];
  failures = [];
  provided = new Set();
  progress = { selected: 1, programmed: 1 };
});

afterEach(async () => {
  await controller?.close();
  controller = undefined;
  await cluster.close();
  api.close();
  await fake.close();
});

function discovery({ url }: FakeRequest, response: ServerResponse): boolean {
  if (url.pathname !== GROUP) return false;
  const { GatewayClass, Gateway, UDPRoute } = KINDS;
  const resources = Object.entries({ GatewayClass, Gateway, UDPRoute }).map(([kind, { plural }]) => ({
    name: plural,
    kind,
  }));
  reply(response, 200, { resources });
  return true;
}

/** All of the golden's objects but the Service of the Gateway, which the API server of these tests gets by being asked. */
async function start({ image = 'l7mp/l7mp:test' }: { image?: string } = {}): Promise<void> {
  for (const document of parseAllDocuments(YAML)) {
    const { kind, metadata, ...rest } = document.toJS();
    if (metadata.name === 'edge-l7mp') continue;
    const namespace = kind === 'GatewayClass' ? '' : 'default';
    fake.set(RESOURCES[kind] as Resource, { kind, metadata: { namespace, generation: 1, ...metadata }, ...rest });
  }
  api = new ApiClient(fake.access, 'test');
  cluster = new Cluster({
    api,
    namespaces: [],
    changed: (keys) => {
      const changes = front.update(keys);
      if (controller) controller.changed(keys, changes);
      else controller = make();
    },
    statusChanged: (keys) => controller?.statusChanged(keys),
    timings: { firstWait: 1, longestWait: 10, lookAgain: 5 },
  });
  const front = new GatewayFront(cluster.snapshot, { proxyPort: 1234 });
  const make = () =>
    new GatewayController({
      api,
      discovery: new Discovery(api),
      snapshot: cluster.snapshot,
      front,
      proxy: image ? { image, port: 1234 } : undefined,
      tokens: {
        secret: async () => ({ name: 'the-token', key: 'token' }),
        provide: async (namespace) => void provided.add(namespace),
      },
      progress: () => progress,
      tell: (_type, { kind, name }, reason, note) => void events.push(`${kind} ${name} ${reason}: ${note}`),
      failed: (key, message) => void failures.push(`${key}: ${message}`),
      waits: { refused: 20, missing: 20 },
    });
  cluster.start();
  await until(() => controller);
}

const gateway = (): FakeObject => fake.get(KINDS.Gateway, 'default', 'edge') as FakeObject;

function condition(type: string): Condition | undefined {
  return gateway().status?.conditions.find((one: Condition) => one.type === type);
}

const writes = () =>
  fake.requests.filter(({ method }) => method !== 'GET').map(({ method, url }) => `${method} ${url.pathname}`);

/** The Service, as if the API server had given it an address. */
function giveAddress(address: string): void {
  const service = fake.get(KINDS.Service, 'default', 'edge-l7mp') as FakeObject;
  fake.set(KINDS.Service, { ...service, spec: { ...service.spec, clusterIP: address, clusterIPs: [address] } });
}

async function programmed(): Promise<void> {
  await until(() => fake.get(KINDS.Service, 'default', 'edge-l7mp'));
  giveAddress('10.0.0.7');
  await until(() => condition('Programmed')?.status === 'True');
}

/** Whoever asks for this path is answered by `answer`, until that gives false. */
function intercept(part: string, answer: (request: FakeRequest, response: ServerResponse) => boolean): void {
  fake.intercept = (request, response) => {
    return discovery(request, response) || (request.url.pathname.includes(part) && answer(request, response));
  };
}

describe('the controller of the Gateway API', () => {
  it('gives a Gateway its Deployment and Service, and says where it is reached; then it writes nothing more', async () => {
    await start();
    await programmed();
    await until(() => fake.get(KINDS.UDPRoute, 'default', 'dns')?.status.parents.length === 2);
    assert.deepEqual(gateway().status.addresses, [{ type: 'IPAddress', value: '10.0.0.7' }]);
    assert.equal(fake.get(DEPLOYMENTS, 'default', 'edge-l7mp')?.metadata.ownerReferences[0].name, 'edge');
    assert.equal(condition('example.com/Seen')?.status, 'True');
    assert.deepEqual([...provided], ['default']);
    assert.match(JSON.stringify(fake.get(DEPLOYMENTS, 'default', 'edge-l7mp')), /"secretName":"the-token"/);
    const before = writes();
    fake.set(KINDS.Gateway, { ...gateway(), metadata: { ...gateway().metadata, labels: { a: 'b' } } });
    await until(() => cluster.snapshot.get('Gateway', 'default', 'edge')?.metadata.labels.a === 'b');
    fake.remove(KINDS.UDPRoute, 'default', 'dns');
    await until(() => gateway().status.listeners[0].attachedRoutes === 0);
    assert.deepEqual(writes().slice(before.length), [`PATCH ${GROUP}/namespaces/default/gateways/edge/status`]);
    assert.deepEqual([events, failures], [[], []]);
  });

  it('makes again what somebody has removed', async () => {
    await start();
    await programmed();
    fake.remove(KINDS.Service, 'default', 'edge-l7mp');
    fake.remove(DEPLOYMENTS, 'default', 'edge-l7mp');
    await until(() => fake.get(KINDS.Service, 'default', 'edge-l7mp') && fake.get(DEPLOYMENTS, 'default', 'edge-l7mp'));
  });

  it('says it where the API server refuses an address, and tries again', async () => {
    let refusals = 0;
    await start();
    await programmed();
    intercept('/services/', ({ method }, response) => {
      if (method !== 'PATCH' || refusals === 3) return false;
      refusals++;
      refuse(response, 422, 'Invalid');
      return true;
    });
    const { metadata, spec } = gateway();
    const changed = { metadata: { ...metadata, generation: 4 }, spec: { ...spec, addresses: [{ value: '10.0.0.9' }] } };
    fake.set(KINDS.Gateway, { ...gateway(), ...changed });
    await until(() => condition('Programmed')?.reason === 'AddressNotUsable');
    assert.match(condition('Programmed')?.message ?? '', /Service edge-l7mp: Invalid, says the fake/);
    assert.deepEqual(gateway().status.addresses, []);
    await until(() => refusals === 3 && fake.get(KINDS.Service, 'default', 'edge-l7mp')?.spec.clusterIP === '10.0.0.9');
    giveAddress('10.0.0.9');
    await until(() => condition('Programmed')?.status === 'True');
    assert.deepEqual(events, [`Gateway edge AddressNotUsable: Service edge-l7mp: Invalid, says the fake`]);
  });

  it('takes nothing over that is not the Gateway’s', async () => {
    fake.set(DEPLOYMENTS, { metadata: { name: 'edge-l7mp', namespace: 'default' }, spec: { mine: true } });
    await start();
    await until(() => condition('Programmed')?.reason === 'NoResources');
    assert.match(condition('Programmed')?.message ?? '', /a Deployment edge-l7mp already/);
    assert.deepEqual(fake.get(DEPLOYMENTS, 'default', 'edge-l7mp')?.spec, { mine: true });
    fake.remove(DEPLOYMENTS, 'default', 'edge-l7mp');
    await programmed();
  });

  it('removes what it has made when the Gateway’s class becomes another controller’s, and keeps it while there is no class', async () => {
    await start();
    await programmed();
    const gatewayClass = fake.get(KINDS.GatewayClass, '', 'l7mp') as FakeObject;
    fake.remove(KINDS.GatewayClass, '', 'l7mp');
    await until(() => fake.get(KINDS.UDPRoute, 'default', 'dns')?.status.parents.length === 1);
    assert.ok(fake.get(KINDS.Service, 'default', 'edge-l7mp'));
    fake.set(KINDS.GatewayClass, { ...gatewayClass, spec: { controllerName: 'example.com/other' } });
    await until(
      () => !fake.get(KINDS.Service, 'default', 'edge-l7mp') && !fake.get(DEPLOYMENTS, 'default', 'edge-l7mp'),
    );
  });

  it('moves to the name that another class of ours brings', async () => {
    await start();
    await programmed();
    const gatewayClass = fake.get(KINDS.GatewayClass, '', 'l7mp') as FakeObject;
    fake.set(KINDS.GatewayClass, { ...gatewayClass, metadata: { name: 'other', namespace: '', generation: 1 } });
    fake.set(KINDS.Gateway, { ...gateway(), spec: { ...gateway().spec, gatewayClassName: 'other' } });
    await until(
      () => fake.get(KINDS.Service, 'default', 'edge-other') && !fake.get(KINDS.Service, 'default', 'edge-l7mp'),
    );
    assert.ok(fake.get(DEPLOYMENTS, 'default', 'edge-other') && !fake.get(DEPLOYMENTS, 'default', 'edge-l7mp'));
  });

  it('writes a status on top of what another controller has written meanwhile', async () => {
    await start();
    await programmed();
    let conflicts = 2;
    intercept('/gateways/edge/status', (_request, response) => {
      if (conflicts-- <= 0) return false;
      refuse(response, 409, 'Conflict');
      return true;
    });
    progress = { selected: 2, programmed: 0, message: 'no answer' };
    controller?.verdictsChanged(['/gateway.networking.k8s.io/v1/Gateway/default/edge/dns']);
    await until(() => condition('Programmed')?.reason === 'Pending');
    const [listener] = gateway().status.listeners;
    assert.equal(listener.conditions.at(-1).message, 'on 0 of 2 proxies: no answer');
    assert.deepEqual([events, failures], [[], []]);
  });

  it('says it where no image was given', async () => {
    await start({ image: '' });
    await until(() => condition('Programmed')?.reason === 'NoResources');
    assert.match(condition('Programmed')?.message ?? '', /--proxy-image/);
    assert.equal(condition('Accepted')?.status, 'True');
    assert.ok(!fake.get(DEPLOYMENTS, 'default', 'edge-l7mp'));
  });
});
