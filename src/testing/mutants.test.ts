/** The suite is tested with channels that are each broken in one way: the case that is there for it must fail. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { BINARY, type Channel, type CloseReason, type MessageAttributes, type Tail } from '../core/channel.ts';
import { L7mpError } from '../core/errors.ts';
import { dialLayer, listenOnLayer } from '../core/handshakes.ts';
import { LayerChannel } from '../core/layer.ts';
import type { Metadata } from '../core/metadata.ts';
import { defineProtocol, type Protocol } from '../core/protocol.ts';
import { strict, TransportSpec } from '../core/schema.ts';
import { createNodeEngine } from '../io/node/index.ts';
import { CASES } from './compliance.ts';
import { createMemoryNetwork } from './memory/index.ts';
import type { CaseName, Subject } from './subject.ts';
import { Trial } from './trial.ts';

/** Milliseconds after which the suite gives a broken channel up. */
const PATIENCE = 500;

const io = createNodeEngine();
after(() => io.close());

/** Sound: each side says `hi` before it says anything else, in a message of its own, and sends in a later turn. */
class SoundChannel extends LayerChannel {
  protected readonly waiting: Uint8Array[] = [];
  #scheduled = false;
  #ending = false;
  #closing = false;

  protected override start(): void {
    this.lower.write(Buffer.from('hi'));
  }

  protected override shake(bytes: Uint8Array): void {
    if (Buffer.from(bytes.subarray(0, 2)).toString() !== 'hi') throw new L7mpError('E_HANDSHAKE', 'not polite');
    if (bytes.length > 2) this.deliver(bytes.subarray(2), BINARY, false);
    this.complete();
  }

  protected override about(): Metadata {
    return { Sound: { nested: { deeply: [] } } };
  }

  protected override get retains(): boolean {
    return true;
  }

  protected override send(bytes: Uint8Array): boolean {
    this.waiting.push(bytes);
    this.schedule();
    return this.waiting.length < 64;
  }

  protected override sendEnd(): void {
    this.#ending = true;
    this.schedule();
  }

  protected override flush(_reason: CloseReason): void {
    this.#closing = true;
    this.pump();
  }

  protected override lowerDrained(): void {
    this.pump();
  }

  protected schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.pump();
    });
  }

  protected pump(): void {
    while (this.waiting.length > 0 && !this.lower.full)
      this.lower.write(this.waiting.shift() as Uint8Array, BINARY, true);
    if (this.waiting.length > 0) return;
    this.drained();
    if (this.#ending) this.lower.end();
    if (this.#closing) this.flushed();
  }
}

const shared: Metadata = { Sound: { nested: {} } };

class Mutant extends SoundChannel {}

interface Broken {
  readonly what: string;
  /** The case that must fail. */
  readonly fails: CaseName;
  readonly kind?: 'stream' | 'datagram';
  /** Which sides are broken; both, where it is left out. */
  readonly side?: 'listener' | 'cluster';
  readonly channel: new (lower: Channel) => LayerChannel;
  /** What the definition says instead of the truth. */
  readonly says?: { readonly kind?: 'stream' | 'datagram'; readonly lossy?: boolean };
}

const GONE: CloseReason = { kind: 'reset', message: 'gone' };

const BROKEN: readonly Broken[] = [
  {
    what: 'loses what waits at a close that is no end',
    fails: 'close for each reason',
    channel: class extends Mutant {
      protected override flush(reason: CloseReason): void {
        if (reason.kind !== 'end') this.waiting.length = 0;
        super.flush(reason);
      }
    },
  },
  {
    what: 'closes the lower channel before it has flushed',
    fails: 'close reason',
    channel: class extends Mutant {
      protected override flush(): void {
        this.flushed();
      }
    },
  },
  {
    what: 'flushes only what fits at once',
    fails: 'full, then closed',
    channel: class extends Mutant {
      protected override flush(): void {
        this.pump();
        this.flushed();
      }
    },
  },
  ...(['listener', 'cluster'] as const).map((side) => ({
    what: `ignores an end in the handshake, as a ${side}`,
    fails: 'end in the handshake' as const,
    side,
    channel: class extends Mutant {
      protected override shakeEnded(): void {}
    },
  })),
  {
    what: 'shares nested metadata between calls',
    fails: 'metadata',
    channel: class extends Mutant {
      override describe(): Metadata {
        return { ...shared };
      }
    },
  },
  {
    what: 'has metadata that JSON cannot say',
    fails: 'metadata',
    channel: class extends Mutant {
      protected override about(): Metadata {
        return { At: new Date(0) } as unknown as Metadata;
      }
    },
  },
  {
    what: 'is of another kind than its definition says',
    fails: 'open',
    channel: Mutant,
    says: { kind: 'datagram' },
  },
  {
    what: 'loses messages, says its definition, and so nothing reliable may stand on it',
    fails: 'open',
    channel: Mutant,
    says: { lossy: true },
  },
  {
    what: 'keeps what it is lent without a copy',
    fails: 'ownership',
    channel: class extends Mutant {
      protected override get retains(): boolean {
        return false;
      }
    },
  },
  {
    what: 'hands on later what it was lent',
    fails: 'boundaries',
    kind: 'datagram',
    channel: class extends Mutant {
      protected override received(bytes: Uint8Array): void {
        setImmediate(() => this.deliver(bytes, BINARY, true));
      }
    },
  },
  {
    what: 'joins messages',
    fails: 'boundaries',
    kind: 'datagram',
    channel: class extends Mutant {
      protected override pump(): void {
        this.waiting.splice(0, Number.POSITIVE_INFINITY, Buffer.concat(this.waiting));
        super.pump();
      }
    },
  },
  {
    what: 'sends the latest first',
    fails: 'boundaries',
    channel: class extends Mutant {
      protected override pump(): void {
        this.waiting.reverse();
        super.pump();
      }
    },
  },
  {
    what: 'sends the beginning of what is too large',
    fails: 'sizes',
    kind: 'datagram',
    channel: class extends Mutant {
      override get maxMessage(): number {
        return 70_000;
      }

      override write(bytes: Uint8Array, attributes?: MessageAttributes, owned?: boolean): boolean {
        if (bytes.length > this.maxMessage) this.drop('too-large');
        return super.write(bytes.subarray(0, this.maxMessage), attributes, owned);
      }
    },
  },
  {
    what: 'is never full',
    fails: 'back-pressure',
    channel: class extends Mutant {
      protected override send(bytes: Uint8Array): boolean {
        super.send(bytes);
        return true;
      }
    },
  },
  {
    what: 'never says that it takes more',
    fails: 'back-pressure',
    channel: class extends Mutant {
      protected override drained(): void {}
    },
  },
  {
    what: 'drops what does not fit',
    fails: 'back-pressure',
    channel: class extends Mutant {
      protected override send(bytes: Uint8Array): boolean {
        return this.waiting.length < 64 ? super.send(bytes) : false;
      }

      protected override pump(): void {
        if (this.lower.full) this.waiting.length = 0;
        super.pump();
      }
    },
  },
  {
    what: 'does not hold its transport',
    fails: 'back-pressure',
    side: 'listener',
    channel: class extends Mutant {
      protected override holdSource(): void {}
    },
  },
  ...(
    [
      ['listener', 'early data'],
      ['cluster', 'the server speaks first'],
    ] as const
  ).map(([side, fails]) => ({
    what: `throws away what comes while nobody reads, as a ${side}`,
    fails,
    side,
    channel: class extends Mutant {
      protected override received(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
        if (!this.held) super.received(bytes, attributes, owned);
      }

      protected override holdSource(): void {}
    },
  })),
  {
    what: 'takes what was not read yet for lost when the peer has closed in order',
    fails: 'held reader',
    side: 'listener',
    channel: class extends Mutant {
      protected override holdSource(): void {}

      protected override ended(): void {}

      protected override lost(): void {
        this.deliverClose(GONE);
      }
    },
  },
  {
    what: 'hands on while its reader is paused',
    fails: 'held reader',
    side: 'listener',
    channel: class extends Mutant {
      override pause(): void {}
    },
  },
  {
    what: 'ends before what was written is sent',
    fails: 'half-close',
    channel: class extends Mutant {
      protected override sendEnd(): void {
        this.lower.end();
      }
    },
  },
  {
    what: 'closes when its peer has ended',
    fails: 'half-close',
    side: 'listener',
    channel: class extends Mutant {
      protected override ended(tail?: Tail): void {
        super.ended(tail);
        this.lower.close({ kind: 'end', message: 'why go on' });
      }
    },
  },
  {
    what: 'takes a reset for an end',
    fails: 'peer death',
    channel: class extends Mutant {
      protected override lost({ message }: CloseReason): void {
        this.deliverClose({ kind: 'end', message });
      }
    },
  },
  {
    what: 'tells its owner of its own close',
    fails: 'close reason',
    channel: class extends Mutant {
      override close(reason: CloseReason): void {
        const { owner } = this;
        super.close(reason);
        owner?.closed(this, reason);
      }
    },
  },
  {
    what: 'does not refuse',
    fails: 'refusal',
    side: 'listener',
    channel: class extends Mutant {
      override refuse(): void {}
    },
  },
];

type Wrap = (lower: Channel) => LayerChannel;

const sound: Wrap = (lower) => new SoundChannel(lower);

function protocolOf(kind: 'stream' | 'datagram', listens: Wrap, dials: Wrap, says: Broken['says'] = {}): Protocol {
  const side = { schema: strict({ transport: TransportSpec }), standsOn: { field: 'transport' }, kind, ...says };
  return defineProtocol({
    name: 'Mutant',
    title: 'for tests',
    listener: {
      ...side,
      sessionName: () => 's',
      listen: ({ transport }, host) => listenOnLayer(host, transport, listens),
    },
    cluster: {
      ...side,
      open: async ({ transport }, host) => {
        const below = await host.dialerOn(transport);
        return { dial: (attempt) => dialLayer(below, attempt, dials) };
      },
    },
  });
}

function subjectOf(kind: 'stream' | 'datagram', mutant: Protocol, patience?: number): Subject {
  return {
    name: 'Mutant',
    protocols: [createMemoryNetwork(), mutant],
    specs: async () => {
      const name = randomUUID();
      const listener = { protocol: 'Memory', name, kind, scribble: true };
      return {
        listener: { protocol: 'Mutant', transport: listener },
        cluster: { protocol: 'Mutant', transport: { protocol: 'Memory', kind } },
        address: name,
      };
    },
    ...(patience !== undefined && { patience }),
  };
}

describe('a sound channel', () => {
  for (const kind of ['stream', 'datagram'] as const) {
    const subject = subjectOf(kind, protocolOf(kind, sound, sound));
    for (const [name, run] of Object.entries(CASES)) {
      test(`passes "${name}" (${kind})`, (t) => run(new Trial(t, subject, io)));
    }
  }
});

describe('a channel that', () => {
  for (const { what, fails, kind = 'stream', side, channel: Broken, says } of BROKEN) {
    test(`${what} fails "${fails}"`, async (t) => {
      const broken: Wrap = (lower) => new Broken(lower);
      const protocol = protocolOf(
        kind,
        side === 'cluster' ? sound : broken,
        side === 'listener' ? sound : broken,
        says,
      );
      await assert.rejects(CASES[fails](new Trial(t, subjectOf(kind, protocol, PATIENCE), io)), (error: Error) => {
        assert.match(error.message, /\S/);
        return true;
      });
    });
  }
});
