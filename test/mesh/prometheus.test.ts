/** What l7mp-prometheus makes, with a real Prometheus that scrapes a real proxy: no operator of Prometheus, and no pods, are needed for it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseAllDocuments, stringify } from 'yaml';
import { Metrics } from '../../packages/operator/src/telemetry/metrics.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { ROOT } from '../support/command.ts';
import { run } from '../support/programs.ts';
import { Daemon } from './support/daemon.ts';
import { makeNode, SCRATCH } from './support/node.ts';

const CHART = join(ROOT, 'charts', 'l7mp-prometheus');

// biome-ignore lint/suspicious/noExplicitAny: whatever the chart makes.
type Manifest = any;

let objects: Manifest[];
let folder: string;
let proxy: Daemon;
let prometheus: Daemon;
let metricsPort: number;
let url: string;

const named = (kind: string, name: string): Manifest =>
  objects.find((object) => object?.kind === kind && object.metadata.name === name);

async function startProxy(): Promise<void> {
  const listener = (name: string, port: number, protocol: string) => ({
    name,
    spec: { protocol: 'HTTP', port, address: '127.0.0.1' },
    rules: [{ action: { route: { destination: { name: protocol, spec: { protocol } } } } }],
  });
  const controller = listener('controller-listener', await freePort(), 'L7mpController');
  const listeners = [controller, listener('prometheus-listener', metricsPort, 'Prometheus')];
  const file = join(folder, 'proxy.json');
  writeFileSync(file, JSON.stringify({ admin: { log_file: 'stdout' }, listeners }));
  proxy = new Daemon('proxy', join(ROOT, 'bin', 'l7mp'), ['-c', file]);
}

/** As prometheus-operator makes it of the PodMonitor, for one pod. */
function scrapeConfig(): object {
  const { metadata, spec } = named('PodMonitor', 'l7mp-proxies');
  const [{ path, interval }] = spec.podMetricsEndpoints;
  assert.match(interval, /^\d+s$/);
  return {
    job_name: `${metadata.namespace}/${metadata.name}`,
    metrics_path: path,
    scrape_interval: '1s',
    static_configs: [{ targets: [`127.0.0.1:${metricsPort}`], labels: { namespace: 'l7mp', pod: 'l7mp-ingress-1' } }],
  };
}

async function ask(path: string): Promise<Manifest> {
  const answer = await fetch(`${url}/api/v1/${path}`);
  const { status, data, error } = (await answer.json()) as Manifest;
  assert.equal(status, 'success', `${path}: ${error}`);
  return data;
}

const query = async (expression: string): Promise<Manifest[]> =>
  (await ask(`query?query=${encodeURIComponent(expression)}`)).result;

before(async () => {
  makeNode();
  folder = mkdtempSync(join(SCRATCH, 'prometheus-'));
  objects = parseAllDocuments(await run('helm', ['template', 'l7mp', CHART])).map((one) => one.toJS());
  metricsPort = await freePort();
  await startProxy();
  writeFileSync(join(folder, 'rules.yaml'), stringify(named('PrometheusRule', 'l7mp').spec));
  const config = {
    global: { evaluation_interval: '1s' },
    rule_files: [join(folder, 'rules.yaml')],
    scrape_configs: [scrapeConfig()],
  };
  writeFileSync(join(folder, 'prometheus.yaml'), stringify(config));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  prometheus = new Daemon('prometheus', 'prometheus', [
    `--config.file=${join(folder, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
});

after(async () => {
  await prometheus?.stop('SIGKILL');
  await proxy?.stop('SIGKILL');
});

test('the rules are rules, and ask for metrics that there are', async () => {
  await run('promtool', ['check', 'rules', join(folder, 'rules.yaml')]);
  const metrics = new Metrics();
  metrics.observe({
    isLeader: () => true,
    isSynced: () => true,
    certificateExpiry: () => undefined,
    objects: () => [],
    proxies: () => [],
    queues: () => [],
  });
  const ofProxy = await until(
    () =>
      fetch(`http://127.0.0.1:${metricsPort}/metrics`).then(
        (answer) => answer.text(),
        () => undefined,
      ),
    'the proxy answers',
  );
  const there = `${await metrics.text()}\n${ofProxy}`;
  const expressions = named('PrometheusRule', 'l7mp')
    .spec.groups[0].rules.map(({ expr }: Manifest) => expr)
    .join('\n');
  const names = new Set(expressions.match(/\b(l7mp|cluster|listener)_\w+/g));
  assert.ok(names.size >= 6);
  for (const name of names) assert.match(there, new RegExp(`^# TYPE ${name} `, 'm'));
});

test('Prometheus takes what the proxy says, and every panel of the dashboard has an answer', async () => {
  await until(async () => (await query('up')).some(({ value }) => value[1] === '1'), 'it has scraped', 60_000).catch(
    (error) => {
      throw new Error(`${error.message}: ${prometheus.lastWords}`);
    },
  );
  const dashboard = JSON.parse(readFileSync(join(CHART, 'dashboards', 'l7mp.json'), 'utf8'));
  const targets = dashboard.panels.flatMap(({ targets = [] }: Manifest) => targets);
  assert.ok(targets.length > 4);
  for (const { expr } of targets) {
    // What is counted by reason has nothing before there was one.
    const may = /messages_dropped/.test(expr);
    await until(async () => may || (await query(expr)).length > 0, `an answer to ${expr}`);
  }
  const { groups } = await ask('rules');
  for (const { name, health, lastError } of groups[0].rules) assert.notEqual(health, 'err', `${name}: ${lastError}`);
});

test('a proxy that is gone, and an operator that is not there, are on their way to be alerts', async () => {
  await proxy.stop('SIGKILL');
  const pending = async (name: string): Promise<boolean> => (await query(`ALERTS{alertname="${name}"}`)).length > 0;
  await until(() => pending('L7mpProxyDown'), 'the proxy is missed');
  await until(() => pending('L7mpNoLeader'), 'the operator is missed');
  const { alerts } = await ask('alerts');
  const [down] = alerts.filter(({ labels }: Manifest) => labels.alertname === 'L7mpProxyDown');
  assert.match(down.annotations.summary, /^The proxy l7mp\/l7mp-ingress-1 has given no metrics/);
});
