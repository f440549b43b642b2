/** One process takes over from another one, and who comes meanwhile does not notice. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP, writeConfig } from '../support/command.ts';
import { ask, connectDatagram, connectStream } from '../support/peers.ts';
import { listener, request } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };
const native = engines().find(({ name }) => name === 'native');

const at = (protocol: string, port: number) => ({ protocol, port, address: HOST });

/** Comes again and again, and counts how often that was answered. */
class Visitors {
  answered = 0;
  readonly failures: unknown[] = [];
  #over = false;
  readonly #done: Promise<unknown>;

  constructor(t: TestContext, targets: readonly ({ port: number } | { path: string })[]) {
    this.#done = Promise.all(targets.map((to) => this.#visit(t, to)));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#done;
  }

  async #visit(t: TestContext, to: { port: number } | { path: string }): Promise<void> {
    while (!this.#over) {
      try {
        const client = await connectStream(t, to);
        assert.equal(await ask(client, 'hello'), 'hello');
        client.end();
        this.answered++;
      } catch (error) {
        this.failures.push(error);
      }
    }
  }
}

test('a process takes over from another one, and every connection is answered', {
  skip: native?.skip ?? 'there is no native I/O',
  timeout: 600_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-takeover-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'socket');
  const [api, tcp, udp] = [await freePort(), await freePort(), await freePort()];
  const file = await writeConfig(t, {
    listeners: [
      listener('api', at('HTTP', api), { destination: { spec: { protocol: 'L7mpController' } } }),
      listener('tcp', at('TCP', tcp), ECHO),
      listener('udp', at('UDP', udp), ECHO),
      listener('unix', { protocol: 'UnixDomainSocket', filename: path }, ECHO),
    ],
  });
  const options = ['-c', file, '--takeover', '--io', 'native', '--drain', '60000'];
  const before = await new Command(t, L7MP, options).running();
  const [old, oldPeer] = [await connectStream(t, { port: tcp }), await connectDatagram(t, udp)];
  for (const peer of [old, oldPeer]) assert.equal(await ask(peer, 'hello'), 'hello');
  const visitors = new Visitors(t, [{ port: tcp }, { port: tcp }, { path }]);

  const after = await new Command(t, L7MP, options).running();
  before.child.kill('SIGTERM');
  await until(() => /draining/.test(before.output), 'the first one drains');
  const { answered } = visitors;
  await until(() => visitors.answered > answered + 100, 'more come');
  assert.equal(before.over, false);
  for (const peer of [old, oldPeer]) assert.equal(await ask(peer, 'and on'), 'and on');
  assert.equal((await request({ port: api, path: '/api/v1/readyz' })).status, 200);

  before.child.kill('SIGTERM');
  await until(() => before.over, 'the first one ends');
  const peer = await connectDatagram(t, udp);
  await until(async () => {
    peer.send('hello');
    return peer.messages.length > 0;
  }, 'the other one has the UDP port');
  await visitors.stop();
  assert.deepEqual(visitors.failures, []);
  assert.equal(after.over, false);
  assert.equal(before.child.exitCode, 0);
});
