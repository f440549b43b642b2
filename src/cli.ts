/** The command: reads the configuration, starts the proxy, does what signals ask for, ends it in order. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { readConfig } from './config/load.ts';
import { loadPlugin } from './config/plugins.ts';
import type { AdminInput } from './config/schema.ts';
import { asL7mpError } from './core/errors.ts';
import { LEVELS, writeDefect } from './core/log.ts';
import type { Protocol } from './core/protocol.ts';
import { oneLine } from './output/printable.ts';
import { L7mp } from './proxy.ts';
import { VERSION } from './version.ts';

interface Options {
  readonly config: string;
  readonly loglevel?: AdminInput['log_level'];
  readonly strict?: boolean;
  readonly offload?: AdminInput['offload'];
  readonly offloadIfs?: string;
  readonly io?: AdminInput['io'];
  readonly threads?: number;
  readonly check?: boolean;
}

export async function main(args: readonly string[]): Promise<void> {
  const command = createCommand();
  command.parse([...args], { from: 'user' });
  const options = command.opts<Options>();
  try {
    if (options.check) await check(options.config);
    else await run(options);
  } catch (thrown) {
    const error = asL7mpError(thrown);
    process.stderr.write(`l7mp: ${oneLine(`${options.config}: ${error.message}`)}\n`);
    if (error.code === 'E_INTERNAL') process.stderr.write(`${(error.cause as Error)?.stack ?? error.stack}\n`);
    process.exitCode = 1;
  }
}

function createCommand(): Command {
  return new Command('l7mp')
    .description('A programmable L7 multiprotocol proxy.')
    .version(VERSION)
    .requiredOption('-c, --config <file>', 'the configuration: YAML if the name ends in .yaml or .yml, else JSON')
    .addOption(new Option('-l, --loglevel <level>', 'how much to log').choices([...LEVELS, 'silent']))
    .option('-s, --strict', 'accepted as in l7mp 0.5: validation is always on')
    .addOption(new Option('-o, --offload <mode>', 'kernel offload').choices(['init', 'no_init', 'disable']))
    .option('-i, --offload-ifs <interfaces>', 'interfaces for offload, separated by commas, or "all"')
    .addOption(new Option('--io <engine>', 'the I/O engine').choices(['auto', 'native', 'node']))
    .option('--threads <number>', 'threads of native I/O', count)
    .option('--check', 'check the configuration, say what is wrong where, and exit with 0 or 1');
}

function count(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('a number above 0 is expected');
  return Number(text);
}

async function check(file: string): Promise<void> {
  const config = await readConfig(file);
  new L7mp({ plugins: await plugins(config, file) }).check(config);
  process.stdout.write(`${file}: valid\n`);
}

async function run(options: Options): Promise<void> {
  const config = await readConfig(options.config);
  const proxy = new L7mp({ plugins: await plugins(config, options.config) });
  endOnSignals(proxy);
  reopenOnSignals(proxy);
  await proxy.start(config, overrides(options));
  await closeDebugger();
  proxy.logger.write('notice', 'l7mp', `version ${VERSION} runs, with ${options.config}`);
}

function overrides({ loglevel, strict, offload, offloadIfs, io, threads }: Options): AdminInput {
  return {
    ...(loglevel && { log_level: loglevel }),
    ...(strict && { strict }),
    ...(offload && { offload }),
    ...(offloadIfs !== undefined && { offload_ifs: offloadIfs }),
    ...(io && { io }),
    ...(threads !== undefined && { threads }),
  };
}

/** The plugins that the file names; what is wrong with the rest of it is found later. */
async function plugins(config: unknown, file: string): Promise<Protocol[]> {
  const { plugins: own, admin } = (config ?? {}) as { plugins?: unknown; admin?: { plugins?: unknown } | null };
  const names = [own, admin?.plugins].flatMap((list) => (Array.isArray(list) ? list : []));
  const loaded = await Promise.all(names.map((name) => loadPlugin(String(name), file)));
  return loaded.flat();
}

function endOnSignals(proxy: L7mp): void {
  const end = (why: string): void => {
    proxy.logger.write('notice', 'l7mp', `${why}: shutting down`);
    // Whatever holds the process back (a library's timer, a peer that does not close), it has been asked to end.
    proxy.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(signal));
  // Who read them has gone (a pipe into head, a closed terminal): what is written is lost, and nothing else.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.on('uncaughtException', (error) => {
    writeDefect(proxy.logger, 'l7mp', 'a defect, please report it: ', error);
  });
}

/**
 * SIGHUP and SIGUSR1, as those who rotate logs send them. A handler of SIGUSR1 also keeps node from opening its debugger
 * (nodejs.org/api/process.html#signal-events). Signals that come meanwhile are served together, afterwards.
 */
function reopenOnSignals(proxy: L7mp): void {
  let running = false;
  let again = false;
  const reopen = async (signal: string): Promise<void> => {
    again = running;
    if (running) return;
    running = true;
    do {
      again = false;
      await proxy.reopenLogs();
    } while (again);
    running = false;
    proxy.logger.write('notice', 'l7mp', `${signal}: logs are opened again`);
  };
  for (const signal of ['SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => void reopen(signal));
}

/**
 * A SIGUSR1 that came before the program had a handler has opened node's debugger, which gives every process of this
 * machine all that this one may do. (Node's own flag against that blocks the signal for good.)
 */
async function closeDebugger(): Promise<void> {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
  if (!process.features.inspector || flags.includes('--inspect')) return;
  const inspector = await import('node:inspector');
  if (inspector.url() !== undefined) inspector.close();
}
