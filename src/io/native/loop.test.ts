import { deepEqual, equal, ok } from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { until } from '../../testing/until.ts';
import { engines } from '../testing.ts';
import { Loop, type Pollable, type Task } from './loop.ts';
import { Arena, scratchArena } from './system/arena.ts';
import { EPOLLIN, NONBLOCK_CLOEXEC } from './system/constants.ts';
import { libc } from './system/libc.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

function pipe(): [read: number, write: number] {
  const { base, i32 } = scratchArena();
  equal(libc().pipe2(base, NONBLOCK_CLOEXEC), 0);
  return [i32[0] as number, i32[1] as number];
}

describe("the engine's loop", { skip }, () => {
  let loop: Loop;

  beforeEach(() => {
    loop = new Loop(Arena.map(1 << 16));
  });

  afterEach(() => loop.end());

  const write = (fd: number): number => libc().write(fd, scratchArena().base, 1);

  it('says what has happened to a descriptor, until it is taken out', async () => {
    const [read, end] = pipe();
    let count = 0;
    const handler: Pollable = {
      ready: () => {
        count++;
        libc().read(read, scratchArena().base, 16);
        return true;
      },
      broken: () => {},
    };
    ok(loop.add(read, EPOLLIN, handler));
    equal(loop.size, 1);
    write(end);
    await until(() => count === 1);
    loop.remove(read);
    equal(loop.size, 0);
    write(end);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    equal(count, 1);
    for (const fd of [read, end]) libc().close(fd);
  });

  it('does not tell one descriptor of what was to come to an earlier one of the same number', async () => {
    const [first, second] = [pipe(), pipe()];
    const told: string[] = [];
    let taken: [number, number] | undefined;
    const late: Pollable = { ready: () => told.push('late') > 0, broken: () => {} };
    // Whichever comes first closes the other, whose number another pipe gets at once.
    const handler = (other: number): Pollable => ({
      ready: () => {
        told.push('first');
        loop.close(other);
        taken = pipe();
        equal(taken[0], other);
        loop.add(other, EPOLLIN, late);
        loop.modify(first[0] === other ? second[0] : first[0], 0);
        return true;
      },
      broken: () => {},
    });
    loop.add(first[0], EPOLLIN, handler(second[0]));
    loop.add(second[0], EPOLLIN, handler(first[0]));
    write(first[1]);
    write(second[1]);
    await until(() => told.length > 0);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    deepEqual(told, ['first']);
    for (const fd of [first[1], second[1], taken?.[1] as number]) libc().close(fd);
    for (const fd of [first[0], second[0]]) loop.close(fd);
  });

  it('goes on with what is put off, wherever that is said, and tells of a task that fails', async () => {
    const done: string[] = [];
    const task = (name: string, proceed: () => void): Task => ({
      proceed: () => {
        done.push(name);
        proceed();
        return false;
      },
      broken: () => done.push(`${name} is broken`),
    });
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    loop.later(
      task('one', () => {
        throw new Error('on purpose');
      }),
    );
    loop.later(task('two', () => loop.later(task('three', () => {}))));
    deepEqual(done, []);
    await until(() => done.length === 4);
    deepEqual(done, ['one', 'one is broken', 'two', 'three']);
    ok((await warned).message.includes('on purpose'));
  });

  it('asks those with deadlines until they have none', async () => {
    let asked = 0;
    loop.tickFor({ tick: (now) => now > 0 && ++asked < 2 });
    await until(() => asked === 2);
    let other = 0;
    loop.tickFor({ tick: () => ++other < 1 });
    await until(() => other === 1);
    equal(asked, 2);
  });
});
