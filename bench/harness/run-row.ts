/** One row: all contenders, in alternating rounds. */

import { freePort } from '../../src/testing/ports.ts';
import { startServer } from './load.ts';
import { LOOPBACK, type Network, threeNamespaces } from './network.ts';
import { DEFAULT_ROUNDS, type Options } from './options.ts';
import type { Child } from './processes.ts';
import { type Instance, start } from './start.ts';
import type { Contender, Outcome, Row, RowResult, Sample } from './types.ts';

const WARM_UP_SECONDS = 1;

interface Entry {
  readonly contender: Contender;
  readonly ownPort: number;
  readonly samples: Sample[];
  instance?: Instance | undefined;
  skipped?: string;
}

interface Context {
  readonly row: Row;
  readonly options: Options;
  readonly folder: string;
  readonly network: Network;
  readonly upstream: number;
  readonly server: Child;
  say(text: string): void;
}

export async function runRow(
  row: Row,
  contenders: readonly Contender[],
  options: Options,
  folder: string,
  say: (text: string) => void,
): Promise<RowResult> {
  const able = contenders.filter(({ carries }) => carries[row.carries]);
  const entries: Entry[] = [];
  for (const contender of able) entries.push({ contender, ownPort: await freePort(), samples: [] });
  let network: Network | undefined;
  try {
    network = await (row.carries === 'udp-namespaces' ? threeNamespaces() : LOOPBACK);
    await runRounds({ row, options, folder, network, say }, entries);
  } catch (error) {
    if (network) throw error;
    for (const entry of entries) entry.skipped = (error as Error).message;
  } finally {
    await network?.close();
  }
  return { row: row.id, title: row.title, metrics: row.metrics, outcomes: entries.map(outcome) };
}

async function runRounds(setting: Omit<Context, 'upstream' | 'server'>, entries: readonly Entry[]): Promise<void> {
  const { row, options, network } = setting;
  const upstream = await freePort();
  const server = await startServer(row.server, network, upstream);
  const context: Context = { ...setting, upstream, server };
  try {
    for (const entry of entries) await prepare(entry, context);
    const rounds = options.rounds ?? row.rounds ?? DEFAULT_ROUNDS;
    for (let number = 0; number < rounds; number++) {
      // Every other round goes backwards: a drift of the machine favours nobody.
      const order = number % 2 ? [...entries].reverse() : entries;
      for (const entry of order) await measure(entry, context, number);
    }
  } finally {
    await Promise.all([...entries.map(({ instance }) => instance?.stop()), server.stop()]);
  }
}

function outcome({ contender: { name }, samples, skipped }: Entry): Outcome {
  return { contender: name, ...(skipped !== undefined && { skipped }), samples };
}

/** Starts a contender and warms it up: compilers, caches and sessions are there before the first round. */
async function prepare(entry: Entry, context: Context): Promise<void> {
  const { row } = context;
  const { contender } = entry;
  const unfit = contender.unfit?.(row);
  if (unfit !== undefined) entry.skipped = unfit;
  if (entry.skipped !== undefined || row.fresh) return;
  await guarded(entry, context, async () => {
    const instance = await started(entry, context);
    await row.measure(round(entry, instance, context, 0, WARM_UP_SECONDS));
    await contender.verify?.(instance.place);
  });
}

async function measure(entry: Entry, context: Context, number: number): Promise<void> {
  if (entry.skipped !== undefined) return;
  await guarded(entry, context, async () => {
    const instance = await started(entry, context);
    entry.samples.push(await context.row.measure(round(entry, instance, context, number, context.options.seconds)));
    if (context.row.fresh) await stop(entry);
  });
}

async function started(entry: Entry, { row, network, upstream, folder }: Context): Promise<Instance> {
  entry.instance ??= await start(entry.contender, row, network, upstream, folder);
  return entry.instance;
}

async function stop(entry: Entry): Promise<void> {
  const { instance } = entry;
  entry.instance = undefined;
  await instance?.stop();
}

function round(entry: Entry, running: Instance, context: Context, number: number, seconds: number) {
  const { server, options } = context;
  return { number, seconds, scale: options.scale, running, server: server.pid, ownPort: entry.ownPort };
}

/** What fails for one contender ends its part in this row, and is said; the others go on. */
async function guarded(entry: Entry, { say }: Context, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    entry.skipped = (error as Error).message;
    say(`  ${entry.contender.name}: ${entry.skipped}`);
    await stop(entry);
  }
}
