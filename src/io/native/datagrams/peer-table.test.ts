import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import { engines } from '../../testing.ts';
import { putInternet } from '../system/address.ts';
import { Arena } from '../system/arena.ts';
import { type Addressed, hashAddress, PeerTable } from './peer-table.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

describe('a table of peers', { skip }, () => {
  class Item implements Addressed<Item> {
    static steps = 0;
    readonly address: number;
    readonly name: string;
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
});
