import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Channel, TEXT } from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { Json } from '../../core/metadata.ts';
import type { Dialer } from '../../core/protocol.ts';
import { type Collector, collect, hold } from '../../testing/collector.ts';
import { attempt, dialLocal, fakeClusterHost, openCluster } from '../../testing/fake-cluster-host.ts';
import { sync } from './index.ts';

const CLOSE = { kind: 'end', message: '' } as const;

let sessions = 0;

function dial(dialer: Dialer, label: Json): Channel {
  return dialLocal(dialer, { label }, `s${++sessions}`);
}

function join(dialer: Dialer, label: Json): Collector {
  return collect(dial(dialer, label));
}

/** Whether what one session says is heard by the other. */
function joined(one: Collector, other: Collector): boolean {
  const before = other.messages.length;
  one.write('?');
  return other.messages.length > before;
}

describe('groups', () => {
  test('a message goes to all the others, not to the sender', async () => {
    const dialer = await openCluster(sync, { query: '/label' });
    const [a, b, c] = [join(dialer, 'x'), join(dialer, 'x'), join(dialer, 'x')];
    a.channel.write(Buffer.from('from a'), TEXT);
    b.write('from b');
    assert.deepEqual([a.texts, b.texts, c.texts], [['from b'], ['from a'], ['from a', 'from b']]);
    assert.deepEqual(c.attributes, [TEXT, {}]);
  });

  test('equal labels join, whatever the order of their members; others do not', async () => {
    const dialer = await openCluster(sync, { query: 'label' });
    const [text, number] = [join(dialer, '1'), join(dialer, 1)];
    assert.equal(joined(text, number), false);
    assert.equal(
      joined(join(dialer, { a: [1, { c: 2, d: null }], b: '' }), join(dialer, { b: '', a: [1, { d: null, c: 2 }] })),
      true,
    );
    assert.equal(joined(join(dialer, [1, 2]), join(dialer, [2, 1])), false);
    assert.equal(joined(join(dialer, null), join(dialer, 'null')), false);
    assert.equal(joined(join(dialer, {}), join(dialer, [])), false);
  });

  test('each cluster has groups of its own', async () => {
    const [one, other] = [await openCluster(sync, { query: '/label' }), await openCluster(sync, { query: '/label' })];
    assert.equal(joined(join(one, 'x'), join(other, 'x')), false);
  });

  test('two stages of one session do not hear each other', async () => {
    const dialer = await openCluster(sync, { query: '/label' });
    const session = attempt({ label: 'x' });
    const [ingress, egress] = [session, session].map((again) => collect(dialer.dial(again) as never)) as [
      Collector,
      Collector,
    ];
    const peer = join(dialer, 'x');
    ingress.write('hello');
    assert.deepEqual([egress.texts, peer.texts], [[], ['hello']]);
  });

  test('who has left is in the group no more, and a label begins anew after its last session', async () => {
    const dialer = await openCluster(sync, { query: '/label' });
    const [a, b] = [join(dialer, 'x'), join(dialer, 'x')];
    b.channel.close(CLOSE);
    assert.equal(joined(a, b), false);
    a.channel.close(CLOSE);
    assert.equal(joined(join(dialer, 'x'), join(dialer, 'x')), true);
  });
});

describe('labels', () => {
  const noRoute = (error: L7mpError) => error.code === 'E_NO_ROUTE';

  test('a session without one is refused', async () => {
    const dialer = await openCluster(sync, { query: '/label/deep' });
    assert.throws(() => dialer.dial(attempt({ label: {} })), noRoute);
    assert.throws(() => dialer.dial(attempt({})), /no label at \/label\/deep/);
  });

  test('a bottomless one is refused', async () => {
    const dialer = await openCluster(sync, { query: '/label' });
    const label = JSON.parse('['.repeat(5000) + ']'.repeat(5000));
    assert.throws(() => dialer.dial(attempt({ label })), noRoute);
  });

  test('a query that is no pointer is refused by name', async () => {
    await assert.rejects(openCluster(sync, { query: '/a~2' }), (error: L7mpError) => {
      assert.deepEqual([error.code, error.message.startsWith('/query: ')], ['E_INVALID', true]);
      return true;
    });
  });
});

describe('members that are slow or have ended', () => {
  test('a member that is held up stalls nobody, and loses what exceeds its limits', async () => {
    const dialer = await openCluster(
      sync,
      { query: '/label' },
      fakeClusterHost({ limits: { bytes: 1000, messages: 2 } }),
    );
    const [a, b] = [join(dialer, 'x'), join(dialer, 'x')];
    const slow = hold(dial(dialer, 'x'));
    assert.equal(a.write('1', '2', '3'), true);
    assert.deepEqual([b.texts, slow.channel.drops?.get('queue-full')], [['1', '2', '3'], 1]);
    assert.deepEqual(slow.read().texts, ['1', '2']);
  });

  test('a message that waits for several is not the writer’s buffer', async () => {
    const dialer = await openCluster(sync, { query: '/label' });
    const a = join(dialer, 'x');
    const slow = [1, 2].map(() => hold(dial(dialer, 'x')));
    const buffer = new Uint8Array(Buffer.from('keep'));
    a.channel.write(buffer);
    buffer.fill(0x21);
    for (const member of slow) assert.deepEqual(member.read().texts, ['keep']);
  });

  test('one that is alone is answered by an end', async () => {
    const alone = join(await openCluster(sync, { query: '/label' }), 'x');
    alone.channel.end();
    assert.equal(alone.ends, 1);
  });

  test('an ended member hears the others until they have ended too', async () => {
    const dialer = await openCluster(sync, { query: '/label' });
    const [a, b, c] = [join(dialer, 'x'), join(dialer, 'x'), join(dialer, 'x')];
    a.channel.end();
    b.write('still here');
    assert.deepEqual([a.texts, a.ends], [['still here'], 0]);
    b.channel.end();
    assert.deepEqual([a.ends, b.ends], [0, 0]);
    c.channel.end();
    assert.deepEqual([a.ends, b.ends, c.ends], [1, 1, 1]);
  });

  test('an ended member hears the end when the last that could speak has left', async () => {
    const dialer = await openCluster(sync, { query: '/label' });
    const [a, b] = [join(dialer, 'x'), join(dialer, 'x')];
    a.channel.end();
    b.channel.close(CLOSE);
    assert.equal(a.ends, 1);
  });

  test('sessions that end while the group is told disturb nobody', async () => {
    const dialer = await openCluster(sync, { query: '/label' });
    const members = [1, 2, 3].map(() => join(dialer, 'x'));
    for (const member of members) {
      const told = member.end.bind(member);
      member.end = (tail) => {
        told(tail);
        member.channel.close(CLOSE);
      };
    }
    for (const { channel } of members) channel.end();
    assert.deepEqual(
      members.map(({ ends, channel }) => [ends, channel.open]),
      [
        [1, false],
        [1, false],
        [1, false],
      ],
    );
    assert.equal(joined(join(dialer, 'x'), join(dialer, 'x')), true);
  });
});
