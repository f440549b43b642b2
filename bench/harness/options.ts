import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const USAGE = `bench/run [--quick] [--only PATTERN] [--with PATTERN] [--rounds N] [--seconds N] [--no-pin]
          [--threads N] [--beside DIRECTORY] [--write] [--list]
  --quick          2 rounds of 1 s, a tenth of the idle sessions: whether everything works, no figures
  --only PATTERN   the rows whose name matches this regular expression
  --with PATTERN   the contenders whose name matches
  --rounds N       rounds (5; some rows have a number of their own)
  --seconds N      seconds of a round (3)
  --no-pin         leave the placing of processes on CPUs to the kernel
  --threads N      threads of l7mp, in the rows that do not compare them (its default)
  --beside DIRECTORY   the l7mp of another checkout takes part too, as 'beside: l7mp (native)' and so on
  --write          put the tables into bench/README.md and the samples into bench/results, to be committed
  --list           print the names of rows and contenders`;

export interface Options {
  readonly only: RegExp;
  readonly contenders: RegExp;
  /** undefined: the row's own number, or the default. */
  readonly rounds: number | undefined;
  readonly seconds: number;
  readonly scale: number;
  readonly pin: boolean;
  /** Of l7mp; undefined: its default. */
  readonly threads: number | undefined;
  /** The folder of another checkout of l7mp. */
  readonly beside: string | undefined;
  readonly write: boolean;
  readonly list: boolean;
}

export const DEFAULT_ROUNDS = 5;
const DEFAULT_SECONDS = 3;
/** Bounds: a bench is no endless load. */
const MOST = 100;

/** Throws with the usage where the command line is wrong. */
export function readOptions(args: readonly string[]): Options {
  const boolean = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: boolean,
      only: { type: 'string', default: '' },
      with: { type: 'string', default: '' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'no-pin': boolean,
      threads: { type: 'string' },
      beside: { type: 'string' },
      write: boolean,
      list: boolean,
    },
  });
  const { quick } = values;
  return {
    only: new RegExp(values.only, 'i'),
    contenders: new RegExp(values.with, 'i'),
    rounds: count('rounds', values.rounds) ?? (quick ? 2 : undefined),
    seconds: count('seconds', values.seconds) ?? (quick ? 1 : DEFAULT_SECONDS),
    scale: quick ? 0.1 : 1,
    pin: !values['no-pin'],
    threads: count('threads', values.threads, 0),
    beside: values.beside === undefined ? undefined : resolve(values.beside),
    write: values.write,
    list: values.list,
  };
}

function count(name: string, text: string | undefined, least = 1): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > MOST)
    throw new Error(`--${name}: a number from ${least} to ${MOST} is expected`);
  return value;
}
