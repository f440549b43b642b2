/** The command: reads the configuration, starts the proxy, does what signals ask for, ends it in order. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { AdminInput } from './config/admin-schema.ts';
import { isStdin, nameOf, readSource } from './config/load.ts';
import { shrinkHeap } from './core/collect.ts';
import { asL7mpError, L7mpError } from './core/errors.ts';
import { LEVELS, writeDefect } from './core/log.ts';
import { DRAIN_TIME } from './drain.ts';
import { loadPlugin, type PluginModule } from './plugins/plugins.ts';
import { L7mp } from './proxy.ts';
import { errorLines, type Origin, problemLines } from './report.ts';
import { activatedSockets } from './service/activation.ts';
import { ServiceManager } from './service/manager.ts';
import { VERSION } from './version.ts';

interface Options {
  readonly config: string;
  readonly loglevel?: AdminInput['log_level'];
  readonly strict?: boolean;
  readonly offload?: AdminInput['offload'];
  readonly offloadIfs?: string;
  readonly io?: AdminInput['io'];
  readonly threads?: number | 'auto';
  readonly takeover?: boolean;
  readonly ignoreState?: boolean;
  readonly drain: number;
  readonly check?: boolean;
}

export async function main(args: readonly string[]): Promise<void> {
  const command = createCommand();
  command.parse([...args], { from: 'user' });
  const options = command.opts<Options>();
  // Not a required option of the library's: that would be asked for before an option that it does not know is told.
  if (options.config === undefined) command.error("error: required option '-c, --config <file>' not specified");
  const origin: { -readonly [K in keyof Origin]: Origin[K] } = {
    name: nameOf(options.config),
    source: undefined,
    options: new Map(),
  };
  try {
    const source = await readSource(options.config);
    origin.source = source;
    const proxy = new L7mp({ plugins: await plugins(source.value, options.config) });
    try {
      if (options.check) await check(proxy, source.value, options, origin);
      else await run(proxy, source.value, options);
    } catch (error) {
      // What is wrong with the file itself goes before; the rest may have come from an option.
      proxy.check(source.value);
      origin.options = optionsByPath(options);
      throw error;
    }
  } catch (thrown) {
    say(errorLines(thrown, origin));
    process.exitCode = 1;
  }
}

function say(lines: readonly string[]): void {
  for (const text of lines) process.stderr.write(`${text}\n`);
}

function createCommand(): Command {
  return new Command('l7mp')
    .description('A programmable L7 multiprotocol proxy.')
    .version(VERSION)
    .option(
      '-c, --config <file>',
      'the configuration, YAML or JSON by the ending of its name, else by its content; - for stdin',
    )
    .addOption(new Option('-l, --loglevel <level>', 'how much to log').choices([...LEVELS, 'silent']))
    .option('-s, --strict', 'with --check: what is likely a mistake is one (validation is always on)')
    .addOption(new Option('-o, --offload <mode>', 'kernel offload').choices(['init', 'no_init', 'disable']))
    .option('-i, --offload-ifs <interfaces>', 'interfaces for offload, separated by commas, or "all"')
    .addOption(new Option('--io <engine>', 'the I/O engine').choices(['auto', 'native', 'node']))
    .option('-t, --threads <number>', 'workers: a number, 0 for none beside the main thread, or auto', count)
    .option('--takeover', 'take over from a process that was started so, without a gap; then end that one with SIGTERM')
    .option('--ignore-state', 'start with the configuration, not with what `admin.state` has kept of it')
    .option(
      '--drain <milliseconds>',
      'how long sessions have to end by themselves on SIGTERM',
      milliseconds,
      DRAIN_TIME,
    )
    .option('--check', 'check the configuration, say what is wrong or likely a mistake, and exit with 0 or 1');
}

function count(text: string): number | 'auto' {
  if (text === 'auto') return text;
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a number or auto is expected');
  return Number(text);
}

function milliseconds(text: string): number {
  if (!/^\d{1,8}$/.test(text)) throw new InvalidArgumentError('a number of milliseconds is expected');
  return Number(text);
}

/** With `--strict` what is likely a mistake is one. */
async function check(proxy: L7mp, config: unknown, options: Options, origin: Origin): Promise<void> {
  const checked = proxy.check(config, overrides(options));
  const obstacles = await proxy.obstacles(checked);
  const warnings = proxy.warnings(checked);
  say(problemLines(warnings, origin, options.strict ? undefined : 'warning'));
  if (obstacles.length > 0) throw new L7mpError('E_BIND', 'it cannot start', { problems: obstacles });
  if (options.strict && warnings.length > 0) process.exitCode = 1;
  else process.stdout.write(`${origin.name}: valid${withWarnings(warnings.length)}\n`);
}

function withWarnings(count: number): string {
  if (count === 0) return '';
  return count === 1 ? ', with a warning' : `, with ${count} warnings`;
}

async function run(proxy: L7mp, config: unknown, options: Options): Promise<void> {
  const { drain, ignoreState = false } = options;
  const activated = activatedSockets(process.env);
  const manager = await ServiceManager.open(process.env, proxy.logger);
  const ending = endOnSignals(proxy, drain, manager);
  const reading = onReloadSignals(proxy, () => manager.reloading(() => reload(proxy, options)));
  try {
    await proxy.start(config, overrides(options), { ignoreState, drain, activated });
  } catch (error) {
    // What could not be started any more is no mistake.
    if (ending.isAsked) return;
    throw error;
  }
  await closeDebugger();
  reading.started();
  const running = `version ${VERSION} runs, with ${nameOf(options.config)}`;
  proxy.logger.write('notice', 'l7mp', running);
  manager.started(running, () => proxy.lives());
  shrinkHeap();
}

/** Takes the configuration file in again. What is wrong with it is logged, and changes nothing. */
async function reload(proxy: L7mp, options: Options): Promise<void> {
  const { logger } = proxy;
  const name = nameOf(options.config);
  if (isStdin(options.config)) {
    logger.write('notice', 'l7mp', `SIGHUP: the configuration came from ${name}, and cannot be read again`);
    return;
  }
  try {
    const { value } = await readSource(options.config);
    const changes = await proxy.reload(value, overrides(options));
    for (const { kind, name, action, fields } of changes)
      logger.write('info', 'l7mp', `SIGHUP: ${kind} ${name}: ${[action, ...fields].join(' ')}`);
    logger.write('notice', 'l7mp', `SIGHUP: ${name} is read again: ${changes.length} changes`);
  } catch (error) {
    logger.write('error', 'l7mp', `SIGHUP: ${name} is not taken, nothing has changed: ${asL7mpError(error).message}`);
  }
}

/** The options that set something, by the path of what they set. */
function optionsByPath(options: Options): Map<string, string> {
  const names: Readonly<Record<Override, string>> = {
    log_level: '--loglevel',
    strict: '--strict',
    offload: '--offload',
    offload_ifs: '--offload-ifs',
    io: '--io',
    threads: '--threads',
    takeover: '--takeover',
  };
  const set = Object.keys(overrides(options)) as Override[];
  return new Map(set.map((field) => [`/admin/${field}`, names[field]]));
}

type Override = 'log_level' | 'strict' | 'offload' | 'offload_ifs' | 'io' | 'threads' | 'takeover';

function overrides({
  loglevel,
  strict,
  offload,
  offloadIfs,
  io,
  threads,
  takeover,
}: Options): Pick<AdminInput, Override> {
  return {
    ...(loglevel && { log_level: loglevel }),
    ...(strict && { strict }),
    ...(offload && { offload }),
    ...(offloadIfs !== undefined && { offload_ifs: offloadIfs }),
    ...(io && { io }),
    ...(threads !== undefined && { threads }),
    ...(takeover && { takeover }),
  };
}

/** The plugins that the file names; what is wrong with the rest of it is found later. */
async function plugins(config: unknown, file: string): Promise<PluginModule[]> {
  const { plugins: own, admin } = (config ?? {}) as { plugins?: unknown; admin?: { plugins?: unknown } | null };
  const names = [own, admin?.plugins].flatMap((list) => (Array.isArray(list) ? list : []));
  return Promise.all(names.map((name) => loadPlugin(String(name), file)));
}

/** SIGTERM gives sessions `grace` milliseconds to end by themselves, unless another signal follows; SIGINT does not. */
function endOnSignals(proxy: L7mp, grace: number, manager: ServiceManager): { readonly isAsked: boolean } {
  const ending = { isAsked: false };
  const end = (signal: NodeJS.Signals): void => {
    const drains = signal === 'SIGTERM' && grace > 0 && !ending.isAsked;
    proxy.logger.write(
      'notice',
      'l7mp',
      `${signal}: ${drains ? `draining, for ${grace} ms at most` : 'shutting down'}`,
    );
    ending.isAsked = true;
    manager.stopping(drains ? grace : 0);
    // Whatever holds the process back (a library's timer, a peer that does not close), it has been asked to end.
    proxy.stop(drains ? { grace } : {}).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
  // Who read them has gone (a pipe into head, a closed terminal): what is written is lost, and nothing else.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.on('uncaughtException', (error) => {
    writeDefect(proxy.logger, 'l7mp', 'a defect, please report it: ', error);
  });
  return ending;
}

/**
 * SIGUSR1 opens the logs again, as those who rotate logs want it; SIGHUP does so, too, and has the configuration read again
 * once the proxy has started. A handler of SIGUSR1 also keeps node from opening its debugger
 * (nodejs.org/api/process.html#signal-events). Signals that come meanwhile are served together, afterwards.
 */
function onReloadSignals(proxy: L7mp, readAgain: () => Promise<void>): { started(): void } {
  const asked = new Set<string>();
  let isStarted = false;
  let isRunning = false;
  const serve = async (): Promise<void> => {
    if (isRunning) return;
    isRunning = true;
    while (asked.size > 0) {
      const signals = [...asked].join(', ');
      const reads = asked.delete('SIGHUP') && isStarted;
      asked.clear();
      await proxy.reopenLogs();
      proxy.logger.write('notice', 'l7mp', `${signals}: logs are opened again`);
      if (reads) await readAgain();
    }
    isRunning = false;
  };
  for (const signal of ['SIGHUP', 'SIGUSR1'] as const) {
    process.on(signal, () => {
      asked.add(signal);
      void serve();
    });
  }
  const started = (): void => {
    isStarted = true;
  };
  return { started };
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
