import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openOffload } from '../../src/offload/open.ts';
import { ask, connectDatagram, serveDatagram } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const skip = await whyNot();

async function whyNot(): Promise<string | false> {
  const offload = openOffload({ interfaces: ['lo'] });
  const { on, why } = offload.status();
  await offload.close();
  return on ? false : `no kernel offload here: ${why}`;
}

async function echoing(t: TestContext, io: string, options: object = {}) {
  const server = await serveDatagram(t);
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    admin: { io, offload: 'init', offload_ifs: 'lo' },
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l },
        {
          destination: {
            spec: { protocol: 'UDP', port: server.port },
            endpoints: [{ spec: { address: '127.0.0.1' } }],
          },
        },
        { options },
      ),
    ],
  }));
  const client = await connectDatagram(t, ports.l);
  assert.equal(await ask(client, 'first'), 'first');
  return { proxy, client, server };
}

for (const io of ['node', 'auto']) {
  test(`a session climbs into the kernel and down again, and loses nothing (io: ${io})`, { skip }, async (t) => {
    const { proxy, client } = await echoing(t, io);
    assert.deepEqual((await proxy.session('l')).pipes, ['kernel', 'kernel']);
    let sent = 1;
    const some = async (): Promise<void> => {
      for (let n = 0; n < 50; n++) assert.equal(await ask(client, `message ${++sent}`), `message ${sent}`);
    };
    await some();
    await proxy.ok('POST', 'admin', { admin: { offload: 'disable' } });
    const { pipes } = await proxy.session('l');
    assert.ok(!pipes.includes('kernel'));
    await some();
    await proxy.ok('POST', 'admin', { admin: { offload: 'init' } });
    assert.deepEqual((await proxy.session('l')).pipes, ['kernel', 'kernel']);
    await some();
    const { source, destination } = await proxy.session('l');
    assert.deepEqual(
      [source.messages, destination.messages],
      [
        { in: sent, out: sent },
        { in: sent, out: sent },
      ],
    );
  });
}

test('a session that only the kernel sees is alive, and ends when it is silent', { skip }, async (t) => {
  const { proxy, client } = await echoing(t, 'auto', { idle_timeout: 400 });
  const started = performance.now();
  while (performance.now() - started < 1200) {
    await ask(client, 'still here');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal((await proxy.sessions('l')).length, 1);
  await proxy.noSession('l');
});

test('where offload is asked for and is not to be had, GET /admin says why', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({
    admin: { log_level: 'silent', offload: 'init', offload_ifs: 'no-such-interface' },
  }));
  const { offload_status: status } = await proxy.ok('GET', 'admin');
  if (skip) assert.equal(status.on, false);
  assert.match(JSON.stringify(status), /why/);
});
