/** The suite for transforms is tried on those that there are, and on some that are broken in one way each. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BINARY, type MessageAttributes, type QueueLimits } from '../core/channel.ts';
import { LocalChannel } from '../core/local-channel.ts';
import { defineProtocol, type Protocol } from '../core/protocol.ts';
import { strict } from '../core/schema.ts';
import {
  runTransformCompliance,
  TRANSFORM_CASES,
  type TransformCase,
  type TransformSubject,
  TransformTrial,
} from './transforms.ts';

/** Milliseconds after which the suite gives a broken transform up. */
const PATIENCE = 300;

const encapsulated = (message: Uint8Array): Buffer =>
  Buffer.from(`{"metadata":{},"payload":"${Buffer.from(message).toString('base64')}"}`);

const NUMBERS = Array.from({ length: 20 }, (_, n) => Buffer.alloc(50 * n + 1, n));

runTransformCompliance({ name: 'Echo', spec: { protocol: 'Echo' } });
runTransformCompliance({ name: 'Discard', spec: { protocol: 'Discard' }, output: () => undefined });
runTransformCompliance({ name: 'Metric', spec: { protocol: 'Metric' } });
runTransformCompliance({ name: 'JSONEncap', spec: { protocol: 'JSONEncap' }, output: encapsulated });
runTransformCompliance({
  name: 'JSONDecap',
  spec: { protocol: 'JSONDecap' },
  inputs: NUMBERS.map(encapsulated),
  output: (message) => Buffer.from(JSON.parse(message.toString()).payload, 'base64'),
});

class Sound extends LocalChannel {
  protected override work(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.deliver(bytes, attributes, owned);
  }
}

/** Works on one message in each turn of the event loop. */
class Later extends LocalChannel {
  readonly #waiting: Uint8Array[] = [];
  #ending = false;

  protected override get busy(): boolean {
    return this.#waiting.length > 4;
  }

  protected override work(bytes: Uint8Array): void {
    this.#waiting.push(new Uint8Array(bytes));
    if (this.#waiting.length === 1) setImmediate(this.#next);
  }

  protected override sendEnd(): void {
    this.#ending = true;
    if (this.#waiting.length === 0) this.deliverEnd();
  }

  protected override shut(): void {
    this.#waiting.length = 0;
  }

  #next = (): void => {
    const bytes = this.#waiting.shift();
    if (bytes) this.deliver(bytes);
    this.goOn();
    if (this.#waiting.length > 0) setImmediate(this.#next);
    else if (this.#ending) this.deliverEnd();
  };
}

/** One for all sessions, by mistake. */
const kept: Uint8Array[] = [];

interface Broken {
  readonly what: string;
  readonly fails: TransformCase;
  readonly channel: new (limits: QueueLimits) => LocalChannel;
}

const BROKEN: readonly Broken[] = [
  {
    what: 'keeps what it is lent',
    fails: 'ownership',
    channel: class extends Sound {
      protected override work(bytes: Uint8Array): void {
        this.deliver(bytes, BINARY, true);
      }
    },
  },
  {
    what: 'changes bytes in place',
    fails: 'nothing in place',
    channel: class extends Sound {
      protected override work(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
        const copy = new Uint8Array(bytes);
        bytes.fill(0);
        super.work(copy, attributes, owned);
      }
    },
  },
  {
    what: 'changes what it should not',
    fails: 'output',
    channel: class extends Sound {
      protected override work(bytes: Uint8Array): void {
        this.deliver(bytes.map((byte) => byte ^ 1));
      }
    },
  },
  {
    what: 'cuts messages',
    fails: 'output',
    channel: class extends Sound {
      protected override work(bytes: Uint8Array, attributes: MessageAttributes): void {
        this.deliver(bytes.subarray(0, 1), attributes, false);
        this.deliver(bytes.subarray(1), attributes, false);
      }
    },
  },
  {
    what: 'never holds its writer up',
    fails: 'back-pressure',
    channel: class extends Sound {
      protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
        this.work(bytes, attributes, owned);
        return true;
      }
    },
  },
  {
    what: 'never lets its writer go on',
    fails: 'back-pressure',
    channel: class extends Sound {
      protected override releaseSource(): void {}
    },
  },
  {
    what: 'loses the end',
    fails: 'end',
    channel: class extends Sound {
      protected override sendEnd(): void {}
    },
  },
  {
    what: 'works later, and ends before it has',
    fails: 'end',
    channel: class extends Sound {
      protected override work(bytes: Uint8Array): void {
        const copy = new Uint8Array(bytes);
        setImmediate(() => this.deliver(copy));
      }
    },
  },
  {
    what: 'throws away what comes while nobody reads',
    fails: 'held reader',
    channel: class extends Sound {
      protected override work(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
        if (!this.held) super.work(bytes, attributes, owned);
      }
    },
  },
  {
    what: 'tells its owner of its own close',
    fails: 'close',
    channel: class extends Sound {
      protected override shut(): void {
        this.owner?.closed(this, { kind: 'end', message: 'closed' });
      }
    },
  },
  {
    what: 'mixes sessions up',
    fails: 'sessions apart',
    channel: class extends Sound {
      protected override work(bytes: Uint8Array): void {
        kept.push(new Uint8Array(bytes));
        if (kept.length > 1) this.deliver(kept.shift() as Uint8Array);
      }
    },
  },
  {
    what: 'says that it loses messages',
    fails: 'open',
    channel: class extends Sound {
      override get lossy(): boolean {
        return true;
      }
    },
  },
];

function subjectOf(channel: Broken['channel'], patience?: number): TransformSubject {
  const protocol: Protocol = defineProtocol({
    name: 'Mutant',
    title: 'for tests',
    cluster: {
      schema: strict({}),
      kind: 'same',
      virtual: true,
      open: (_spec, { limits }) => ({ dial: () => new channel(limits) }),
    },
  });
  const subject = { name: 'Mutant', protocols: [protocol], spec: { protocol: 'Mutant' } };
  return patience === undefined ? subject : { ...subject, patience };
}

runTransformCompliance({ ...subjectOf(Sound), name: 'a sound transform' });
runTransformCompliance({ ...subjectOf(Later), name: 'a sound transform that works later' });

describe('a transform that', () => {
  for (const { what, fails, channel } of BROKEN) {
    test(`${what} fails "${fails}"`, async (t) => {
      kept.length = 0;
      await assert.rejects(TRANSFORM_CASES[fails](new TransformTrial(t, subjectOf(channel, PATIENCE))));
    });
  }
});
