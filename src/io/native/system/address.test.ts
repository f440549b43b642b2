import { equal } from 'node:assert/strict';
import { describe, it } from 'node:test';
import { engines } from '../../testing.ts';
import { hostAt, portAt, putInternet } from './address.ts';
import { Arena } from './arena.ts';

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
