import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressBytes, addressText, isLoopback } from './address.ts';
import { entriesOf } from './entries.ts';
import type { Route } from './netlink.ts';
import { SlotRing } from './slots.ts';

const flow = {
  client: { address: '192.0.2.1', port: 1001 },
  listen: { address: '192.0.2.2', port: 1002 },
  local: { address: '198.51.100.3', port: 1003 },
  upstream: { address: '198.51.100.4', port: 1004 },
};
const slots = { fromClient: 7, fromUpstream: 77 };
const via = (oif: number, mtu = 0): Route => ({ local: false, oif, source: undefined, mtu });
const here: Route = { local: true, oif: 1, source: undefined, mtu: 0 };

/** Interface in and out, MTU and slot of an entry. */
const tail = (value: Buffer): number[] => [36, 40, 44, 48].map((at) => value.readUInt32LE(at));

describe('the entries of a flow', () => {
  it('carry both directions, each with the other side’s route', () => {
    const entries = entriesOf(flow, via(3, 1400), via(4), slots);
    assert.ok(typeof entries !== 'string');
    const { fromClient, fromUpstream, interfaces } = entries;
    assert.equal(fromClient.key.toString('hex'), 'c0000201c000020203e903ea');
    assert.equal(fromClient.value.toString('hex', 0, 36), `c6336403${'0'.repeat(24)}c6336404${'0'.repeat(24)}03eb03ec`);
    assert.deepEqual(tail(fromClient.value), [3, 4, 0, 7]);
    assert.equal(fromUpstream.key.toString('hex'), 'c6336404c633640303ec03eb');
    assert.equal(
      fromUpstream.value.toString('hex', 0, 36),
      `c0000202${'0'.repeat(24)}c0000201${'0'.repeat(24)}03ea03e9`,
    );
    assert.deepEqual(tail(fromUpstream.value), [4, 3, 1400, 77]);
    assert.deepEqual(interfaces, [3, 4]);
  });

  it('keep from the client what is for the socket', () => {
    const kept = Buffer.from('twelve bytes');
    const entries = entriesOf({ ...flow, kept }, via(3), via(4), slots);
    assert.ok(typeof entries !== 'string');
    assert.equal(entries.fromUpstream.value.toString('latin1', 60), 'twelve bytes');
    assert.equal(entries.fromClient.value.toString('hex', 60), '0'.repeat(24));
  });

  it('pass up what stays on the loopback', () => {
    const entries = entriesOf(flow, here, here, slots);
    assert.ok(typeof entries !== 'string');
    assert.deepEqual(tail(entries.fromClient.value), [1, 0, 0, 7]);
  });

  it('go through the loopback to a server there', () => {
    const entries = entriesOf({ ...flow, upstream: { address: '127.0.0.1', port: 1 } }, via(3), here, slots);
    assert.ok(typeof entries !== 'string');
    assert.deepEqual(
      [tail(entries.fromClient.value), tail(entries.fromUpstream.value)],
      [
        [3, 1, 0, 7],
        [1, 3, 0, 77],
      ],
    );
  });

  it('are refused where the kernel would take the new source for a martian', () => {
    assert.match(entriesOf(flow, via(3), here, slots) as string, /^198\.51\.100\.4 is local/);
    assert.match(entriesOf(flow, here, via(3), slots) as string, /^192\.0\.2\.1 is local/);
  });

  it('are refused between families', () => {
    const upstream = { address: '2001:db8::4', port: 1004 };
    assert.equal(entriesOf({ ...flow, upstream }, via(3), via(4), slots), 'one side is IPv4, the other IPv6');
  });
});

describe('addresses', () => {
  for (const [text, hex] of [
    ['192.0.2.1', 'c0000201'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['2001:DB8::8:0:1', '20010db8000000000000000800000001'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['64:ff9b::192.0.2.1', '0064ff9b0000000000000000c0000201'],
  ] as const) {
    it(`${text} has the bytes ${hex}`, () => {
      assert.equal(addressBytes(text).toString('hex'), hex);
      assert.equal(addressBytes(addressText(addressBytes(text))).toString('hex'), hex);
    });
  }

  it('tells the loopback and the wildcard', () => {
    assert.deepEqual(
      ['127.3.2.1', '::1', '128.0.0.1', '::2', '1::1'].map((a) => isLoopback(addressBytes(a))),
      [true, true, false, false, false],
    );
  });
});

describe('the places of counters', () => {
  it('are taken once, the longest free first', () => {
    const ring = new SlotRing(3);
    const [a, b] = [ring.take(), ring.take()];
    assert.deepEqual(
      [a, b],
      [
        { fromClient: 0, fromUpstream: 3 },
        { fromClient: 1, fromUpstream: 4 },
      ],
    );
    ring.give(a as NonNullable<typeof a>);
    assert.deepEqual([ring.take()?.fromClient, ring.take()?.fromClient, ring.take()], [2, 0, undefined]);
    assert.equal(ring.used, 3);
    ring.give(b as NonNullable<typeof b>);
    assert.deepEqual([ring.used, ring.take()?.fromClient], [2, 1]);
  });
});
