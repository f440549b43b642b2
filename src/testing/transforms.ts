/** What "works" means for a transform: a cluster without a network, whose channel gives out what is written into it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { Validator } from '../config/validate.ts';
import type { Channel } from '../core/channel.ts';
import type { Dialer, Protocol, Spec } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import { PROTOCOLS } from '../protocols.ts';
import { Collector } from './collector.ts';
import { attempt, fakeClusterHost } from './fake-cluster-host.ts';
import { until } from './until.ts';

/** What the suite needs to know of a transform. */
export interface TransformSubject {
  /** For the names of the tests. */
  readonly name: string;
  /** What takes part beside the built-in protocols. */
  readonly protocols?: readonly Protocol[];
  /** The cluster's specification. */
  readonly spec: Spec;
  /** Messages that it takes, ten at least. Left out: random ones, of 1 to 65,507 bytes. */
  readonly inputs?: readonly Uint8Array[];
  /** What comes out for a message; undefined where nothing does. Left out: the message itself. */
  readonly output?: (message: Buffer) => Uint8Array | undefined;
  /** Cases that this transform cannot pass, each with the reason. */
  readonly skips?: Readonly<Partial<Record<TransformCase, string>>>;
  /** Milliseconds after which a state that does not come is a failure. Default 30,000. */
  readonly patience?: number;
}

/** The cases of the suite for transforms; what each one asks for is said where it stands. */
export type TransformCase =
  | 'open'
  | 'output'
  | 'ownership'
  | 'nothing in place'
  | 'held reader'
  | 'back-pressure'
  | 'end'
  | 'close'
  | 'sessions apart';

const SIZES = [1, 2, 3, 16, 255, 256, 1472, 9000, 16_384, 65_507];

/** Rounds of all inputs before a writer must have been held up. */
const ROUNDS = 1000;

/** One case, tried on one transform. */
export class TransformTrial {
  readonly t: TestContext;
  readonly inputs: readonly Buffer[];
  /** What comes out for all inputs. */
  readonly outputs: readonly Buffer[];
  readonly #subject: TransformSubject;
  #dialer: Dialer | undefined;

  constructor(t: TestContext, subject: TransformSubject) {
    const { inputs = SIZES.map((size) => randomBytes(size)), output = (message) => message } = subject;
    this.t = t;
    this.#subject = subject;
    this.inputs = inputs.map((message) => Buffer.from(message));
    this.outputs = this.inputs.flatMap((message) => output(Buffer.from(message)) ?? []).map((one) => Buffer.from(one));
  }

  /** A channel for a session of its own; closed after the test. */
  async open(): Promise<Collector> {
    const dialer = await this.#open();
    const channel = await dialer.dial(attempt({}, 'compliance'));
    this.t.after(() => channel.close({ kind: 'end', message: 'the test is over' }));
    return new Collector(channel);
  }

  until<T>(condition: () => T | Promise<T>, what: string): Promise<Exclude<Awaited<T>, false | undefined | null>> {
    return until(condition, what, this.#subject.patience);
  }

  /** All that is expected has come, and nothing else. */
  async same(collector: Collector, expected: readonly Buffer[], what: string): Promise<void> {
    const total = Buffer.concat(expected);
    await this.until(() => collector.size >= total.length && this.#enough(collector, expected), what);
    assert.ok(collector.bytes.equals(total), `${what}: as it should be, in order`);
    if (collector.channel.kind === 'stream') return;
    assert.deepEqual(
      collector.messages.map(({ length }) => length),
      expected.map(({ length }) => length),
      `${what}: the boundaries`,
    );
  }

  #enough({ channel, messages }: Collector, expected: readonly Buffer[]): boolean {
    return channel.kind === 'stream' || messages.length >= expected.length;
  }

  async #open(): Promise<Dialer> {
    if (this.#dialer) return this.#dialer;
    const registry = new Registry([...PROTOCOLS, ...(this.#subject.protocols ?? [])]);
    const checked = new Validator(registry).cluster({ name: 'c', spec: this.#subject.spec }, '/cluster');
    const { protocol } = this.#subject.spec;
    const dialer = await registry.cluster(protocol).open(checked.spec, fakeClusterHost());
    this.t.after(() => dialer.close?.());
    this.#dialer = dialer;
    return dialer;
  }
}

const CLOSE = { kind: 'end', message: 'done' } as const;

export const TRANSFORM_CASES: Readonly<Record<TransformCase, (trial: TransformTrial) => Promise<void>>> = {
  /** The transform is connected at once, and what it says of itself is plain JSON. */
  open: async (trial) => {
    const { channel } = await trial.open();
    assert.ok(channel.open);
    assert.equal(channel.lossy, false, 'who writes can be held up');
    assert.deepEqual(JSON.parse(JSON.stringify(channel.describe())), channel.describe());
  },

  /** What comes out is what should, in order, one message for one. */
  output: async (trial) => {
    const one = await trial.open();
    one.read();
    for (const message of trial.inputs) one.channel.write(message, undefined, false);
    await trial.same(one, trial.outputs, 'what comes out');
  },

  /** What is lent may be overwritten when the call is over. */
  ownership: async (trial) => {
    const one = await trial.open();
    const lent = Buffer.alloc(Math.max(...trial.inputs.map(({ length }) => length)));
    for (const message of trial.inputs) {
      message.copy(lent);
      one.channel.write(lent.subarray(0, message.length), undefined, false);
      lent.fill(0);
    }
    one.read();
    await trial.same(one, trial.outputs, 'what was lent was copied before it was overwritten');
  },

  /** The bytes that are written stay as they are, also where they are owned: others may hold them. */
  'nothing in place': async (trial) => {
    const one = await trial.open();
    one.read();
    const given = trial.inputs.map((message) => Buffer.from(message));
    for (const message of given) one.channel.write(message, undefined, true);
    await trial.same(one, trial.outputs, 'what comes out');
    // A list of what differs would take minutes.
    const same = given.every((message, n) => message.equals(trial.inputs[n] as Buffer));
    assert.ok(same, 'what was written is not changed in place');
  },

  /** What comes out while nobody reads, or who reads is paused, waits in order. */
  'held reader': async (trial) => {
    const one = await trial.open();
    const half = Math.floor(trial.inputs.length / 2);
    for (const message of trial.inputs.slice(0, half)) one.channel.write(message, undefined, false);
    one.channel.pause();
    one.read();
    for (const message of trial.inputs.slice(half)) one.channel.write(message, undefined, false);
    assert.equal(one.messages.length, 0, 'who is paused is handed nothing');
    one.channel.resume();
    await trial.same(one, trial.outputs, 'what waited');
  },

  /** The writer is held up while nobody takes what comes out, and is told when it may go on. */
  'back-pressure': async (trial) => {
    if (trial.outputs.length === 0) {
      trial.t.skip('nothing comes out of it');
      return;
    }
    const one = await trial.open();
    one.read();
    one.channel.pause();
    let rounds = 0;
    let held = false;
    while (!held) {
      assert.ok(rounds++ < ROUNDS, 'the writer is held up');
      for (const message of trial.inputs) held = !one.channel.write(message, undefined, false) || held;
    }
    one.channel.resume();
    await trial.until(() => one.drains > 0, 'the writer is told to go on');
    await trial.same(one, Array(rounds).fill(trial.outputs).flat(), 'everything');
  },

  /** The end comes out after all that came before, and closes one direction only; nothing is taken after it. */
  end: async (trial) => {
    const one = await trial.open();
    one.read();
    for (const message of trial.inputs) one.channel.write(message, undefined, false);
    one.channel.end();
    await trial.until(() => one.ends === 1, 'the end');
    await trial.same(one, trial.outputs, 'what came before the end');
    one.write('too late');
    assert.equal(one.channel.drops?.get('closed'), 1, 'nothing is taken after the end');
    assert.ok(one.channel.open);
  },

  /** After a close nothing comes out any more, and who closed is not told. */
  close: async (trial) => {
    const one = await trial.open();
    one.read();
    one.channel.write(trial.inputs[0] as Buffer, undefined, false);
    one.channel.close(CLOSE);
    const { length } = one.messages;
    one.channel.write(trial.inputs[0] as Buffer, undefined, false);
    // What it does in a later turn, it has done when another session is through.
    const other = await trial.open();
    other.read();
    for (const message of trial.inputs) other.channel.write(message, undefined, false);
    await trial.same(other, trial.outputs, 'another session');
    assert.deepEqual([one.messages.length, one.ends, one.closings], [length, 0, []]);
  },

  /** Two sessions of one cluster have nothing in common. */
  'sessions apart': async (trial) => {
    const both = [await trial.open(), await trial.open()] as const;
    for (const one of both) one.read();
    for (const message of trial.inputs) for (const { channel } of both) channel.write(message, undefined, false);
    both[0].channel.end();
    for (const one of both) await trial.same(one, trial.outputs, 'what comes out of each');
    assert.ok(isOpenBothWays(both[1].channel), 'the end of one is not that of the other');
  },
};

function isOpenBothWays({ open, endRead, endSent }: Channel): boolean {
  return open && !endRead && !endSent;
}

/**
 * Adds the cases for a transform to a file of tests for `node --test`. One that it cannot pass is named in `skips`, with
 * the reason. A case that fails says what it waited for, or which value was wrong.
 *
 * @example
 * runTransformCompliance({
 *   name: 'UpperCase',
 *   protocols: [upperCase],
 *   spec: { protocol: 'UpperCase' },
 *   output: (message) => Buffer.from(message.toString('latin1').toUpperCase(), 'latin1'),
 * });
 */
export function runTransformCompliance(subject: TransformSubject): void {
  describe(`${subject.name} complies`, () => {
    const cases = Object.entries(TRANSFORM_CASES) as [TransformCase, (typeof TRANSFORM_CASES)[TransformCase]][];
    for (const [name, run] of cases) {
      test(name, { skip: subject.skips?.[name] ?? false }, (t) => run(new TransformTrial(t, subject)));
    }
  });
}
