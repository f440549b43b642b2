import assert from 'node:assert/strict';
import { test } from 'node:test';
import { L7mpError } from '../core/errors.ts';
import { type BoundDatagram, type BoundSocket, ELSEWHERE } from '../io/binder.ts';
import { SharedBinder, type SocketSource } from './binder.ts';

/** Gives numbers in place of sockets. */
class FakeSource implements SocketSource {
  readonly open = new Set<string>();
  next = 0;
  taken = false;
  listen: BoundSocket['listen'];

  async bindStream(at: object): Promise<BoundSocket> {
    if (this.taken) throw new L7mpError('E_BIND', 'the address is in use');
    return this.#socket(JSON.stringify(at));
  }

  async bindMessages(at: object): Promise<BoundSocket> {
    return this.bindStream(at);
  }

  async bindDatagram(at: object, n: number): Promise<BoundDatagram> {
    return { ...this.#socket(`${JSON.stringify(at)} ${n}`), n, of: 2, seed: 7 };
  }

  #socket(name: string): BoundSocket {
    this.open.add(name);
    return {
      fd: this.next++,
      ...(this.listen && { listen: this.listen }),
      release: async () => {
        assert.ok(this.open.delete(name), 'released once');
      },
    };
  }
}

const AT = { host: '127.0.0.1', port: 80 };

test('streams have one socket for all workers, until the last has released it', async () => {
  const source = new FakeSource();
  const binder = new SharedBinder(source, 2);
  const [a, b] = await Promise.all([0, 1].map((n) => binder.forWorker(n).bindStream(AT)));
  assert.equal(a?.fd, b?.fd);
  await a?.release();
  await a?.release();
  assert.equal(source.open.size, 1);
  await b?.release();
  assert.equal(source.open.size, 0);
});

test('datagrams have one for each', async () => {
  const source = new FakeSource();
  const binder = new SharedBinder(source, 2);
  const [a, b] = await Promise.all([0, 1].map((n) => binder.forWorker(n).bindDatagram(AT)));
  assert.deepEqual([a?.n, b?.n], [0, 1]);
  assert.notEqual(a?.fd, b?.fd);
  await a?.release();
  assert.deepEqual([...source.open], [`${JSON.stringify(AT)} 1`]);
});

test('an address that cannot be had is refused to all, and can be asked for again', async () => {
  const source = new FakeSource();
  const binder = new SharedBinder(source, 2);
  const workers = [binder.forWorker(0), binder.forWorker(1)];
  source.taken = true;
  for (const result of await Promise.allSettled(workers.map((worker) => worker.bindStream(AT))))
    assert.equal(result.status, 'rejected');
  source.taken = false;
  await Promise.all(workers.map((worker) => worker.bindStream(AT)));
});

test('a worker has an address once', async () => {
  const worker = new SharedBinder(new FakeSource(), 2).forWorker(0);
  const bound = await worker.bindStream(AT);
  await assert.rejects(worker.bindStream(AT), { code: 'E_BIND', message: /127\.0\.0\.1:80: the address is in use/ });
  await bound.release();
  await worker.bindStream(AT);
});

test('who takes the place of one that has failed gets its sockets, and the rest is released', async () => {
  const source = new FakeSource();
  const binder = new SharedBinder(source, 2);
  const failed = binder.forWorker(0);
  const other = { host: '127.0.0.1', port: 81 };
  const before = [await failed.bindStream(AT), await failed.bindDatagram(AT)];
  const late = await failed.bindStream(other);
  const next = binder.forWorker(0, failed);
  const after = [await next.bindStream(AT), await next.bindDatagram(AT)];
  assert.deepEqual(
    after.map(({ fd }) => fd),
    before.map(({ fd }) => fd),
  );
  await next.releaseInherited();
  assert.equal(source.open.size, 2);
  await late.release();
  await next.releaseAll();
  assert.equal(source.open.size, 0);
});

test('one of many ports that only one worker can listen on has its own, and the address is the same as ever', async () => {
  const source = new FakeSource();
  source.listen = 'alone';
  const binder = new SharedBinder(source, 2);
  const workers = [binder.forWorker(0), binder.forWorker(1)];
  const listens = (port: number, ranged: boolean) =>
    Promise.all(workers.map(async (worker) => (await worker.bindStream({ host: '127.0.0.1', port, ranged })).listen));
  assert.deepEqual(await listens(80, true), ['alone', 'elsewhere']);
  assert.deepEqual(await listens(81, true), ['elsewhere', 'alone']);
  await assert.rejects(listens(81, false), { code: 'E_BIND' });
  assert.deepEqual(await listens(83, false), ['alone', 'elsewhere']);
});

test('a worker that has nothing of a port has nothing to give back', async () => {
  const source = new FakeSource();
  source.bindDatagram = async () => ELSEWHERE;
  const worker = new SharedBinder(source, 2).forWorker(0);
  assert.equal(await worker.bindDatagram(AT), ELSEWHERE);
  assert.equal(await worker.bindDatagram(AT), ELSEWHERE);
  assert.equal(worker.takeAll().size, 0);
});
