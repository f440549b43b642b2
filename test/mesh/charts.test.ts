/**
 * The charts, rendered by helm: what they make is kept beside this file, and taken by a real API server. With
 * UPDATE_GOLDENS=1 what they make now is written there.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { L7mp } from '../../src/proxy.ts';
import { ROOT } from '../support/command.ts';
import { useCluster } from './support/cluster.ts';

const CHARTS = join(ROOT, 'charts');
const GOLDENS = join(import.meta.dirname, 'charts');

const cluster = useCluster(async (world) => {
  await world.kubectl('apply', '-f', join(GOLDENS, 'monitoring-kinds.yaml'));
  await world.kubectl('wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all');
  for (const namespace of ['edge', 'metrics', 'monitoring', 'l7mp']) {
    await world.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }));
  }
});

/** By chart, ways of installing it, with the values that differ from the defaults. */
const CASES: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  'l7mp-operator': {
    defaults: {},
    everything: {
      image: { repository: 'registry.test/operator', tag: 'next', pullPolicy: 'Always' },
      imagePullSecrets: [{ name: 'registry' }],
      replicas: 1,
      namespaces: 'default, edge',
      allowCrossNamespace: true,
      logLevel: 'warn',
      proxyPort: 4321,
      proxyImage: { repository: 'registry.test/proxy', tag: 'next' },
      injection: { enabled: true },
      gatewayCertificates: { secretNames: ['edge-certificate'] },
      rbac: { extraRules: [{ apiGroups: ['apps'], resources: ['deployments/status'], verbs: ['get', 'patch'] }] },
      serviceAccount: { name: 'mesh', annotations: { a: 'b' } },
      podAnnotations: { a: 'b' },
      podLabels: { team: 'mesh' },
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'system-cluster-critical',
      extraArgs: ['--help'],
      global: { proxyAuth: { existingSecret: 'own-token' } },
    },
    open: {
      gatewayCertificates: { enabled: false },
      global: { proxyAuth: { enabled: false } },
      rbac: { create: false },
      serviceAccount: { create: false },
    },
  },
  'l7mp-ingress': {
    defaults: {},
    everything: {
      l7mpProxyImage: { repository: 'registry.test', name: 'proxy', tag: 'next', pullPolicy: 'Always' },
      imagePullSecrets: [{ name: 'registry' }],
      l7mpProxy: { logLevel: 'warn', prometheus: false, privilegedPorts: true, drain: 60_000, maxUnavailable: '10%' },
      extraContainers: [{ name: 'helper', image: 'registry.test/helper' }],
      podAnnotations: { a: 'b' },
      podLabels: { team: 'mesh' },
      nodeSelector: { edge: 'true' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'system-node-critical',
      'l7mp-operator': { replicas: 1, logLevel: 'warn' },
    },
    open: { global: { proxyAuth: { enabled: false } }, 'l7mp-operator': { enabled: false } },
    alone: { 'l7mp-operator': { enabled: false } },
  },
  'l7mp-prometheus': {
    defaults: {},
    closed: {
      namespace: 'metrics',
      nodePorts: { prometheus: 0, grafana: 0, alertmanager: 0 },
      prometheus: { replicas: 1, retention: '7d' },
      grafana: { adminPassword: 'secret' },
    },
  },
};

const every = Object.entries(CASES).flatMap(([chart, ways]) =>
  Object.entries(ways).map(([way, values]) => ({ chart, way, values })),
);

/** Values as a flag: JSON is YAML. */
function withValues(values: object): string[] {
  return Object.entries(values).map(([key, value]) => `--set-json=${key}=${JSON.stringify(value)}`);
}

function render(chart: string, values: object): Promise<string> {
  return cluster().helm('template', 'l7mp', join(CHARTS, chart), '--namespace=l7mp', ...withValues(values));
}

/** What is made at random. */
function masked(text: string): string {
  return text.replaceAll(/^( {2}(?:token|password): ).{20,}$/gm, '$1RANDOM');
}

for (const { chart, way, values } of every) {
  test(`${chart}, ${way}: it makes what it made`, async () => {
    const text = masked(await render(chart, values));
    const file = join(GOLDENS, `${chart}-${way}.golden`);
    if (process.env.UPDATE_GOLDENS) writeFileSync(file, text);
    assert.equal(text, readFileSync(file, 'utf8'));
  });

  test(`${chart}, ${way}: the API server takes it, without a warning`, async () => {
    await cluster().apply(await render(chart, values), '--dry-run=server', '--server-side', '--warnings-as-errors');
  });
}

describe('values of the charts of l7mp 0.5 mean what they meant', () => {
  test('l7mp-operator', async () => {
    const image = { repository: '', name: 'registry.test/l7mp-operator', tag: 'latest', pullPolicy: 'Always' };
    const serviceAccount = { create: true, name: '' };
    const text = await render('l7mp-operator', { image, namespaces: [], rbac: { create: true }, serviceAccount });
    assert.match(text, /image: "registry\.test\/l7mp-operator:latest"/);
  });

  test('l7mp-ingress', async () => {
    const l7mpProxyImage = { repository: '', name: 'l7mp/proxy', pullPolicy: 'Always', tag: 'latest' };
    const extraContainers = '- { name: helper, image: "{{ .Values.l7mpProxyImage.name }}-helper" }';
    const values = { l7mpProxyImage, l7mpProxy: { logLevel: 'info', prometheus: 'enable' }, extraContainers };
    const text = await render('l7mp-ingress', values);
    assert.match(text, /image: "l7mp\/proxy:latest"/);
    assert.match(text, /image: "?l7mp\/proxy-helper/);
    assert.match(text, /containerPort: 8080/);
    const without = await render('l7mp-ingress', { l7mpProxy: { prometheus: 'disable' } });
    assert.doesNotMatch(without, /8080/);
  });
});

test('there is nothing beside the goldens but what is asked for', () => {
  const files = every.map(({ chart, way }) => `${chart}-${way}.golden`);
  assert.deepEqual(readdirSync(GOLDENS).sort(), [...files, 'monitoring-kinds.yaml'].sort());
});

for (const chart of Object.keys(CASES)) {
  test(`helm lint has nothing against ${chart}`, async () => {
    await cluster().helm('lint', '--strict', join(CHARTS, chart));
  });
}

describe('values that make no sense are refused, by their name', () => {
  const wrong: readonly [chart: string, values: object, says: RegExp][] = [
    ['l7mp-operator', { logLevel: 'loud' }, /logLevel/],
    ['l7mp-operator', { proxyPort: 0 }, /proxyPort/],
    ['l7mp-operator', { namespaces: ['A b'] }, /namespaces/],
    ['l7mp-operator', { replica: 2 }, /replica/],
    ['l7mp-ingress', { l7mpProxy: { loglevel: 'info' } }, /loglevel/],
    ['l7mp-ingress', { l7mpProxyImage: { name: '' } }, /l7mpProxyImage/],
    ['l7mp-ingress', { l7mpProxy: { prometheus: 'on' } }, /prometheus/],
    ['l7mp-ingress', { 'l7mp-operator': { proxyPort: 'x' } }, /proxyPort/],
    ['l7mp-ingress', { global: { proxyAuth: { enable: false } } }, /enable/],
    ['l7mp-prometheus', { nodePorts: { grafana: -1 } }, /nodePorts/],
  ];
  for (const [chart, values, says] of wrong) {
    test(`${chart}: ${JSON.stringify(values)}`, async () => {
      await assert.rejects(render(chart, values), says);
    });
  }
});

test('a proxy takes the configuration that l7mp-ingress gives it', async () => {
  for (const values of Object.values(CASES['l7mp-ingress'] ?? {})) {
    const objects = parseAllDocuments(await render('l7mp-ingress', values)).map((one) => one.toJS());
    const { data } = objects.find((one) => one?.kind === 'ConfigMap');
    const [document] = parseAllDocuments(data['l7mp-ingress.yaml']);
    new L7mp().check(document?.toJS());
  }
});

// biome-ignore lint/suspicious/noExplicitAny: whatever has a template for pods.
type Workload = any;

async function workloads(chart: string, values: object): Promise<Workload[]> {
  const objects = parseAllDocuments(await render(chart, values)).map((one) => one.toJS());
  return objects.filter((one) => one?.spec?.template?.spec);
}

/** Containers of ours: those of users are theirs. */
function checkContainer({ name, securityContext, resources, livenessProbe }: Workload): void {
  assert.equal(securityContext.allowPrivilegeEscalation, false, name);
  assert.equal(securityContext.readOnlyRootFilesystem, true, name);
  assert.deepEqual(securityContext.capabilities.drop, ['ALL'], name);
  assert.ok(resources.requests.cpu && resources.requests.memory, name);
  assert.ok(livenessProbe || name === 'node-exporter', name);
}

for (const { chart, way, values } of every) {
  test(`${chart}, ${way}: no pod can gain rights, and only the node’s exporter sees its processes`, async () => {
    for (const { metadata, spec } of await workloads(chart, values)) {
      const { securityContext, hostPID = false, containers } = spec.template.spec;
      assert.equal(securityContext.seccompProfile.type, 'RuntimeDefault', metadata.name);
      assert.equal(hostPID, metadata.name === 'node-exporter', metadata.name);
      for (const container of containers) if (container.name !== 'helper') checkContainer(container);
    }
  });
}

describe('helm', () => {
  const few = ['--set-json=nodeSelector={"none":"none"}', '--set=l7mp-operator.replicas=0'];
  const token = () => cluster().kubectl('-n', 'l7mp', 'get', 'secret', 'l7mp-proxy-token', '-o=jsonpath={.data.token}');

  test('installs a checkout as it is, says how to go on, and keeps the token over an upgrade', async () => {
    const chart = join(CHARTS, 'l7mp-ingress');
    const notes = await cluster().helm('install', 'l7mp', chart, '--namespace=l7mp', ...few);
    assert.match(notes, /secret l7mp-proxy-token/);
    const before = await token();
    assert.match(Buffer.from(before, 'base64').toString(), /^[A-Za-z0-9]{48}$/);
    await cluster().helm('upgrade', 'l7mp', chart, '--namespace=l7mp', ...few, '--set=l7mpProxy.logLevel=warn');
    assert.equal(await token(), before);
    const open = await cluster().helm(
      'upgrade',
      'l7mp',
      chart,
      '-n=l7mp',
      ...few,
      '--set=global.proxyAuth.enabled=false',
    );
    assert.match(open, /WARNING: global\.proxyAuth\.enabled is false/);
    await cluster().helm('uninstall', 'l7mp', '--namespace=l7mp', '--wait');
    assert.doesNotMatch(await cluster().kubectl('-n', 'l7mp', 'get', 'all', '-o', 'name'), /l7mp/);
  });
});
