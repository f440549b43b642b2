import { equal, throws } from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { describe, it } from 'node:test';
import { engines } from '../../testing.ts';
import { closeAll, Descriptors, makeDescriptorMap } from './descriptors.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

describe('descriptors that a data plane has left open', { skip }, () => {
  it("are closed, and no others: not those that it has closed or given away, nor another one's", () => {
    const map = makeDescriptorMap();
    const [first, second] = [new Descriptors(map, 0), new Descriptors(map, 1)];
    const fds = Array.from({ length: 5 }, () => openSync(devNull, 'r')) as [number, number, number, number, number];
    for (const fd of fds.slice(0, 4)) first.open(fd);
    second.open(fds[4]);
    first.closed(fds[2]);
    first.give(fds[3], 1);
    equal(second.has(fds[3]), true);
    equal(closeAll(map, 0), 2);
    for (const fd of fds.slice(0, 2)) throws(() => fstatSync(fd), { code: 'EBADF' });
    for (const fd of fds.slice(2)) closeSync(fd);
    equal(closeAll(map, 0), 0);
  });

  it('can be told apart for as many data planes as a byte has room for', () => {
    const map = makeDescriptorMap();
    new Descriptors(map, 253);
    throws(() => new Descriptors(map, 254), RangeError);
  });
});
