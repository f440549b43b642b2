/** The command: reads its options, starts the operator, and ends it in order. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from '@l7mp/client';
import { type Options, parseOptions } from './cli.ts';
import type { Operator } from './operator.ts';
import type { Logger } from './telemetry/log.ts';
import type { Metrics } from './telemetry/metrics.ts';
import { tlsFiles } from './tls-files.ts';
import { TokenFile } from './token-file.ts';

const FAILED = 1;

/** Milliseconds for ending in order; whoever sent the signal kills us some time. */
const END_TIME = 15_000;

// It is beside src/ and dist/ alike.
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'));

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), version);
  if (!options) return;
  try {
    await run(options);
  } catch (error) {
    process.stderr.write(`l7mp-operator: ${(error as Error).message}\n`);
    process.exitCode = FAILED;
  }
}

async function run(options: Options): Promise<void> {
  // Most of a start is spent on reading modules: `--help` needs none of them.
  const [{ makeLog }, { Metrics }, { TelemetryServer }] = await Promise.all([
    import('./telemetry/log.ts'),
    import('./telemetry/metrics.ts'),
    import('./telemetry/server.ts'),
  ]);
  const log = makeLog(options.loglevel);
  const metrics = new Metrics();
  const operator = await makeOperator(options, log, metrics);
  const server = new TelemetryServer(metrics, () => operator.unready);
  if (options.metrics) {
    const address = await server.listen(options.metrics);
    log.info({ address }, '/metrics, /healthz and /readyz are served, to whoever reaches this address');
  }
  process.on('uncaughtException', (error) => {
    // In what state we are by now nobody knows; whoever started us does so again, and the proxies keep what they have.
    log.fatal(error, 'an error of the operator itself');
    process.exit(FAILED);
  });
  endOnSignals(log, async () => {
    await operator.close();
    await server.close();
  });
  operator.start();
}

async function makeOperator(options: Options, log: Logger, metrics: Metrics): Promise<Operator> {
  const {
    namespaces,
    proxyPort,
    proxyTokenFile,
    proxyImage,
    allowCrossNamespace = false,
    leaderElect = false,
    webhook,
  } = options;
  const file = proxyTokenFile === undefined ? undefined : readToken(proxyTokenFile, log);
  const { loadAccess } = await import('./kubernetes/kube-config.ts');
  const access = loadAccess(options.kubeconfig);
  const { Operator } = await import('./operator.ts');
  const { POD_NAMESPACE, POD_NAME } = process.env;
  log.info(
    { version, server: access.server.href, namespaces: namespaces.length > 0 ? namespaces : 'all', proxyPort },
    'l7mp-operator starts',
  );
  return new Operator({
    access,
    version,
    namespaces,
    proxyPort,
    allowCrossNamespace,
    ...(file && { token: () => file.token }),
    tls: readTls(options, log),
    workload: proxyImage === undefined ? undefined : { image: proxyImage, port: proxyPort },
    webhook: webhook && { address: webhook, url: options.webhookUrl },
    ownNamespace: POD_NAMESPACE || access.namespace || 'default',
    elects: leaderElect,
    identity: `${POD_NAME || hostname()}_${randomUUID()}`,
    log,
    metrics,
  });
}

function readTls(
  { proxyCa: ca, proxyCert: cert, proxyKey: key, proxyServername: servername }: Options,
  log: Logger,
): (() => TlsOptions) | undefined {
  if (ca === undefined && cert === undefined && servername === undefined) return undefined;
  const warn = (message: string): void =>
    log.warn(`--proxy-ca, --proxy-cert, --proxy-key: ${message}; the last is used`);
  try {
    return tlsFiles({ ca, cert, key, servername }, warn);
  } catch (error) {
    throw new Error(`--proxy-ca, --proxy-cert, --proxy-key: ${(error as Error).message}`);
  }
}

function readToken(file: string, log: Logger): TokenFile {
  try {
    return new TokenFile(file, (message) => log.warn(`--proxy-token-file: ${message}; the last token is used`));
  } catch (error) {
    throw new Error(`--proxy-token-file: ${(error as Error).message}`);
  }
}

/** Ends in order at the first signal, and at once at the second. */
function endOnSignals(log: Logger, close: () => Promise<void>): void {
  let isEnding = false;
  const end = (signal: NodeJS.Signals): void => {
    if (isEnding) process.exit(FAILED);
    isEnding = true;
    log.info(`${signal}: ending`);
    const late = setTimeout(() => {
      log.error(`not ended in ${END_TIME} ms`);
      process.exit(FAILED);
    }, END_TIME);
    close().then(
      () => {
        clearTimeout(late);
        log.info('ended');
        process.exit(0);
      },
      (error) => {
        log.error(error, 'ended with an error');
        process.exit(FAILED);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
}

await main();
