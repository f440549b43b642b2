import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import { engines } from '../testing.ts';
import { hostAt, portAt, putInternet } from './address.ts';
import { Arena } from './arena.ts';
import { type Addressed, hashAddress, PeerTable } from './peer-table.ts';
import { RING_CONTROL, RingReader, RingWriter } from './ring.ts';
import { HALF, SLOTS, Slots, slotOf } from './wire.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

describe('socket addresses', { skip }, () => {
  it('are written and read back, in the form of RFC 5952', () => {
    const arena = Arena.map(4096);
    for (const [host, text = host] of [
      ['0.0.0.0'],
      ['127.0.0.1'],
      ['255.255.255.255'],
      ['::'],
      ['::1'],
      ['fe80::1'],
      ['1::'],
      ['2001:db8::ff00:42:8329'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['1:0:2:3:4:5:6:7'],
      ['1:2:3:4:5:6:7:8'],
      ['0:0:1::', '0:0:1::'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ] as [string, string?][]) {
      const size = putInternet(arena, 0, host, 54_321);
      equal(size, host.includes(':') ? 28 : 16);
      equal(hostAt(arena.u8, 0), text);
      equal(portAt(arena.u8, 0), 54_321);
    }
  });
});

describe('a ring between threads', { skip }, () => {
  function ring(words: number) {
    const place = {
      arena: Arena.map(1 << 20),
      at: 16,
      words,
      control: new Int32Array(new SharedArrayBuffer(RING_CONTROL * 4)),
    };
    return { writer: new RingWriter(place), reader: new RingReader(place), ...place };
  }

  it('hands every record over in order, however full it gets', () => {
    const { writer, reader, arena } = ring(64);
    let [sent, heard] = [0, 0];
    for (let round = 0; round < 2000; round++) {
      for (let n = randomInt(20); n > 0; n--) {
        writer.push(7, sent, ...Array(randomInt(8)).fill(sent));
        sent++;
      }
      const wanted = writer.congested;
      const room = reader.drain((type, at, words) => {
        equal(type, 7);
        for (let n = 0; n < words; n++) equal(arena.i32[at + n], heard);
        heard++;
      }, randomInt(30));
      if (wanted) ok(room || sent > heard);
      writer.flush();
    }
    while (sent > heard) {
      reader.drain(() => heard++);
      writer.flush();
    }
    ok(reader.empty);
  });

  it('refuses bytes for which there is no room', () => {
    const { writer, reader, arena } = ring(1 << 16);
    arena.u8.set(Buffer.from('0123456789'), 1 << 19);
    let taken = 0;
    while (writer.pushBytes(9, taken, 1 << 19, 10)) taken++;
    ok(taken > 1000);
    writer.push(1, 2, 3);
    equal(writer.congested, false);
    const seen: number[] = [];
    reader.drain((type, at) => {
      seen.push(type);
      if (type === 9) equal(Buffer.from(arena.u8.slice((at + 2) << 2, ((at + 2) << 2) + 10)).toString(), '0123456789');
    });
    equal(seen.length, taken + 1);
    equal(seen.at(-1), 1);
    ok(writer.pushBytes(9, 0, 1 << 19, 10));
  });
});

describe('a table of peers', { skip }, () => {
  class Item implements Addressed<Item> {
    static steps = 0;
    readonly address: number;
    readonly name: string;
    hash = 0;
    #next: Item | undefined;

    constructor(address: number, name: string) {
      this.address = address;
      this.name = name;
    }

    get next(): Item | undefined {
      Item.steps++;
      return this.#next;
    }

    set next(item: Item | undefined) {
      this.#next = item;
    }
  }

  it('finds each by its address and port, and nobody else', () => {
    const arena = Arena.map(1 << 20);
    const table = new PeerTable<Item>(arena);
    const model = new Map<string, Item>();
    const look = 64;
    for (let n = 0; n < 20_000; n++) {
      const six = randomInt(2) === 1;
      const host = six ? `fd00::${randomInt(1, 9)}` : `127.0.0.${randomInt(9)}`;
      const port = randomInt(50);
      const name = `${host}|${port}`;
      putInternet(arena, look, host, port);
      const known = model.get(name);
      equal(table.get(look), known);
      if (known && randomInt(3) > 0) {
        table.delete(known);
        model.delete(name);
      } else if (!known) {
        const item = new Item(4096 + randomIndex(model) * 32, name);
        putInternet(arena, item.address, host, port);
        table.add(item);
        model.set(name, item);
      }
      equal(table.size, model.size);
    }
    deepEqual(new Set(table.all()), new Set(model.values()));
  });

  function randomIndex(model: Map<string, { address: number }>): number {
    const taken = new Set([...model.values()].map(({ address }) => (address - 4096) / 32));
    let n = randomInt(2000);
    while (taken.has(n)) n = (n + 1) % 2000;
    return n;
  }

  const KNOWN = { k0: 1, k1: 2 };
  const COUNT = 4000;

  /** Items whose addresses collide under a key: ports of one host, as many as it takes, and hosts of IPv6. */
  function colliding(arena: Arena): Item[] {
    const items: Item[] = [];
    for (let n = 0; items.length < COUNT; n++) {
      const address = 4096 + items.length * 32;
      const [host, port] = n < 40_000 ? ['192.0.2.1', n] : [`2001:db8::${(n >> 12).toString(16)}`, n & 0xfff];
      putInternet(arena, address, host as string, port as number);
      if ((hashAddress(arena.u32, address, KNOWN) & 63) === 0) items.push(new Item(address, `${host}|${port}`));
    }
    return items;
  }

  /** Steps along the places, while all are added, looked for, and deleted in that order and the other. */
  function steps(arena: Arena, table: PeerTable<Item>): number {
    const items = colliding(arena);
    Item.steps = 0;
    for (const order of [items, [...items].reverse()]) {
      for (const item of items) {
        equal(table.get(item.address), undefined);
        table.add(item);
      }
      for (const item of items) equal(table.get(item.address), item);
      for (const item of order) table.delete(item);
      equal(table.size, 0);
    }
    return Item.steps;
  }

  it('takes a few steps for each peer, although their addresses collide under another key', () => {
    const arena = Arena.map(1 << 20);
    const taken = steps(arena, new PeerTable(arena));
    ok(taken < COUNT * 100, `${taken} steps for ${COUNT} peers`);
  });

  it('takes another key where somebody knows the one that it has', () => {
    const arena = Arena.map(1 << 20);
    let keys = 0;
    const table = new PeerTable<Item>(arena, () => (keys++ === 0 ? KNOWN : { k0: randomInt(1 << 30), k1: 3 }));
    const taken = steps(arena, table);
    ok(keys > 1);
    ok(taken < COUNT * 100, `${taken} steps for ${COUNT} peers`);
  });

  it('finds a peer by which it was added, whatever its slot holds by now', () => {
    const arena = Arena.map(1 << 20);
    const table = new PeerTable<Item>(arena);
    const item = new Item(64, 'one');
    putInternet(arena, 64, '192.0.2.1', 1);
    table.add(item);
    putInternet(arena, 64, '192.0.2.2', 2);
    equal(table.get(64), undefined);
    table.delete(item);
    equal(table.size, 0);
    deepEqual(table.all(), []);
  });
});

describe('slots', () => {
  it('have ids that tell one holder from the next', () => {
    for (const first of [0, HALF]) {
      const slots = new Slots(first);
      const [a, b] = [slots.take(), slots.take()];
      equal(slotOf(a), first);
      equal(slotOf(b), first + 1);
      const seen = new Set([a]);
      for (let n = 0; n < 4000; n++) {
        slots.give(n === 0 ? a : ([...seen].at(-1) as number));
        const next = slots.take();
        equal(slotOf(next), first);
        ok(!seen.has(next) && next < 2 ** 30 && next >= 0);
        seen.add(next);
      }
    }
    ok(SLOTS === 2 * HALF);
  });
});
