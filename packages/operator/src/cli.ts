/** The command line. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { LEVELS, type Level } from './telemetry/log.ts';
import { type Address, parseAddress } from './telemetry/server.ts';

export interface Options {
  readonly kubeconfig?: string;
  readonly namespaces: readonly string[];
  readonly proxyPort: number;
  readonly proxyTokenFile?: string;
  readonly proxyCa?: string;
  readonly proxyCert?: string;
  readonly proxyKey?: string;
  readonly proxyServername?: string;
  readonly proxyImage?: string;
  readonly leaderElect?: boolean;
  readonly allowCrossNamespace?: boolean;
  /** False for none. */
  readonly metrics: Address | false;
  readonly webhook?: Address;
  readonly webhookUrl?: string;
  readonly loglevel: Level;
}

/** The exit code of a command line that is wrong. */
const WRONG_USE = 2;

/** Undefined if all was said: help, the version, or what is wrong; the exit code is set then. */
export function parseOptions(args: readonly string[], version: string): Options | undefined {
  const command = createCommand(version);
  try {
    command.parse([...args], { from: 'user' });
    const options = command.opts<Options>();
    if (options.webhook && options.proxyImage === undefined)
      command.error("error: option '--webhook <address>' needs '--proxy-image <image>': what it puts into pods");
    if ((options.proxyCert === undefined) !== (options.proxyKey === undefined))
      command.error("error: option '--proxy-cert <file>' and '--proxy-key <file>' need one another");
    return options;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : WRONG_USE;
    return undefined;
  }
}

function createCommand(version: string): Command {
  return new Command('l7mp-operator')
    .description('Programs l7mp proxies as custom resources and the Gateway API of a Kubernetes cluster say.')
    .version(version, '--version')
    .allowExcessArguments(false)
    .exitOverride()
    .option(
      '--kubeconfig <file>',
      'how to reach the API server; default: the files in KUBECONFIG, else the service account of the pod, else ~/.kube/config',
    )
    .addOption(
      new Option('--namespaces <names>', 'look at these namespaces only: a list separated by commas')
        .argParser(namespaces)
        .default([], 'all'),
    )
    .option(
      '--proxy-port <port>',
      "the port of the proxies' REST API: a container that declares it is a proxy",
      port,
      1234,
    )
    .option('--proxy-token-file <file>', 'the bearer token for the proxies; read again when it changes')
    .option(
      '--proxy-ca <file>',
      'who has signed the certificates of proxies with the annotation l7mp.io/proxy-tls: "true"; default: whom Node trusts',
    )
    .option(
      '--proxy-cert <file>',
      'a certificate to show them, with --proxy-key; the files are read again when they change',
    )
    .option('--proxy-key <file>', 'its key')
    .option('--proxy-servername <name>', "the name in their certificates; default: the pod's address")
    .option('--proxy-image <image>', 'the image of the proxies that Gateways and annotated pods get; none without it')
    .option('--leader-elect', 'of several replicas let one work: who holds the Lease l7mp-operator')
    .option('--allow-cross-namespace', 'references and selectors may cross namespaces without a ReferenceGrant')
    .addOption(
      new Option(
        '--metrics <address>',
        'where /metrics, /healthz and /readyz are served: host:port, :port for all interfaces, or off',
      )
        .argParser(metrics)
        .default({ host: '127.0.0.1', port: 9090 }, '127.0.0.1:9090'),
    )
    .option(
      '--webhook <address>',
      'where the webhook is served that puts proxies into pods with the annotation l7mp.io/inject: "true"; none without it',
      webhook,
    )
    .option('--webhook-url <url>', 'where the API server finds it; default: the Service l7mp-operator', webhookUrl)
    .addOption(
      new Option('-l, --loglevel <level>', 'how much to log')
        .choices(Object.keys(LEVELS))
        .default('info' satisfies Level),
    );
}

/** A label of RFC 1123. */
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

function namespaces(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names)
    if (!NAMESPACE.test(name)) throw new InvalidArgumentError(`'${name}' is no name of a namespace`);
  return [...new Set(names)];
}

function port(text: string): number {
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > 65_535)
    throw new InvalidArgumentError('a number from 1 to 65535 is expected');
  return number;
}

function metrics(text: string): Address | false {
  return text === 'off' ? false : webhook(text);
}

function webhook(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new InvalidArgumentError('host:port, [IPv6]:port or :port is expected');
  return address;
}

function webhookUrl(text: string): string {
  // The API server takes no other: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#url
  if (URL.parse(text)?.protocol !== 'https:') throw new InvalidArgumentError('an URL with https: is expected');
  return text;
}
