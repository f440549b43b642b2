import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { openOffload } from '../../src/offload/open.ts';
import { until } from '../../src/testing/until.ts';
import { ask, connectDatagram, serveDatagram } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const skip = await whyNot();

async function whyNot(): Promise<string | false> {
  const offload = openOffload({ interfaces: ['lo'] });
  const { on, why } = offload.status();
  await offload.close();
  return on ? false : `no kernel offload here: ${why}`;
}

async function echoing(t: TestContext, io: string, { options = {}, route = {}, spec = {} } = {}) {
  const server = await serveDatagram(t);
  const { proxy, ports } = await startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
    admin: { io, offload: 'init', offload_ifs: 'lo' },
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l, ...spec },
        {
          destination: {
            spec: { protocol: 'UDP', port: server.port },
            endpoints: [{ spec: { address: '127.0.0.1' } }],
          },
          ...route,
        },
        { options },
      ),
      listener('metrics', { protocol: 'HTTP', port: metrics }, { destination: { spec: { protocol: 'Prometheus' } } }),
    ],
  }));
  const client = await connectDatagram(t, ports.l);
  assert.equal(await ask(client, 'first'), 'first');
  return { proxy, client, server, port: ports.l, bytes: () => rungBytes(ports.metrics) };
}

/** What has passed on each rung. The scrape itself is a session in userspace. */
async function rungBytes(port: number): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  const found = text.matchAll(/^l7mp_rung_bytes_total\{rung="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, rung, n]) => [rung, Number(n)]));
}

const jsonSocket = (port: number) => ({ protocol: 'JSONSocket', transport: { protocol: 'UDP', port } });
const to = (spec: object) => ({ spec, endpoints: [{ spec: { address: '127.0.0.1' } }] });

const SWITCH = { init: { admin: { offload: 'init' } }, disable: { admin: { offload: 'disable' } } };
/** Of what a scrape may have. */
const NOISE = 100_000;

for (const io of ['node', 'auto']) {
  test(`a session climbs into the kernel and down again, and loses nothing (io: ${io})`, { skip }, async (t) => {
    const { proxy, client } = await echoing(t, io);
    assert.deepEqual((await proxy.session('l')).pipes, ['kernel', 'kernel']);
    let sent = 1;
    const some = async (): Promise<void> => {
      for (let n = 0; n < 50; n++) assert.equal(await ask(client, `message ${++sent}`), `message ${sent}`);
    };
    await some();
    await proxy.ok('POST', 'admin', SWITCH.disable);
    const { pipes } = await proxy.session('l');
    assert.ok(!pipes.includes('kernel'));
    await some();
    await proxy.ok('POST', 'admin', SWITCH.init);
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

for (const io of ['node', 'auto']) {
  test(`bytes are counted on the rung where they passed (io: ${io})`, { skip }, async (t) => {
    const { proxy, client, bytes } = await echoing(t, io);
    const setUp = await bytes();
    const message = 'x'.repeat(20_000);
    const some = async (): Promise<void> => {
      for (let n = 0; n < 20; n++) await ask(client, message);
    };
    const round = 20 * 2 * message.length;
    await some();
    await proxy.ok('POST', 'admin', SWITCH.disable);
    await some();
    await proxy.ok('POST', 'admin', SWITCH.init);
    await some();
    const before = await bytes();
    await some();
    await proxy.ok('DELETE', `sessions/${encodeURIComponent((await proxy.session('l')).name)}`);
    const { kernel, native = 0, userspace = 0 } = await bytes();
    const first = setUp.kernel ?? 0;
    assert.deepEqual([before.kernel, kernel], [first + 2 * round, first + 3 * round]);
    assert.equal(native - (setUp.native ?? 0), io === 'node' ? 0 : round);
    const low = (setUp.userspace ?? 0) + (io === 'node' ? round : 0);
    assert.ok(userspace >= low && userspace < low + NOISE, `${userspace} in userspace`);
  });
}

for (const address of ['0.0.0.0', '::']) {
  test(`answers leave from the address that was hit, in the kernel as before (${address})`, { skip }, async (t) => {
    const { proxy, port } = await echoing(t, 'native', { spec: { address } });
    const socket = dgram.createSocket('udp4');
    t.after(() => socket.close());
    for (let n = 0; n < 20; n++) {
      socket.send(`${n}`, port, '127.0.0.2');
      const [bytes, from] = await once(socket, 'message');
      assert.deepEqual([String(bytes), from.address], [`${n}`, '127.0.0.2']);
    }
    const rungs = (await proxy.sessions('l')).map(({ pipes }) => pipes);
    assert.deepEqual(rungs, Array(2).fill(['kernel', 'kernel']));
    const { source } = (await proxy.sessions('l'))[1];
    assert.deepEqual(source.messages, { in: 20, out: 20 });
  });
}

test('a session with a transform is counted in userspace', { skip }, async (t) => {
  const { client, bytes } = await echoing(t, 'auto', { route: { ingress: [{ spec: { protocol: 'Metric' } }] } });
  const message = 'x'.repeat(20_000);
  for (let n = 0; n < 20; n++) await ask(client, message);
  const { kernel, native, userspace = 0 } = await bytes();
  assert.deepEqual([kernel, native], [0, 0]);
  assert.ok(userspace >= 40 * message.length && userspace < 40 * message.length + NOISE);
});

for (const io of ['node', 'auto']) {
  test(`a session that loses its endpoint leaves the kernel, queues, and is back with the next one (io: ${io})`, {
    skip,
  }, async (t) => {
    const retry = { retry_on: 'always', num_retries: 1000, timeout: 20 };
    const { proxy, client, server } = await echoing(t, io, { route: { retry } });
    const next = await serveDatagram(t, { host: '127.0.0.3', port: server.port, reply: (data) => `next ${data}` });
    const [{ name: cluster }] = (await proxy.ok('GET', 'clusters')).filter(
      ({ spec }: { spec: { protocol: string } }) => spec.protocol === 'UDP',
    );
    const [endpoint] = await proxy.ok('GET', `clusters/${cluster}/endpoints`);
    assert.equal(await ask(client, 'one'), 'one');
    await proxy.ok('DELETE', `endpoints/${endpoint.name}?recursive=true`);
    await proxy.session('l', 'DISCONNECTED');
    for (const text of ['two', 'three']) client.send(text);
    await proxy.ok('POST', `clusters/${cluster}/endpoints`, { endpoint: { spec: { address: '127.0.0.3' } } });
    // It is there once what has queued is on its way, and not before.
    await until(async () => (await proxy.session('l')).pipes.every((rung: string) => rung === 'kernel'), 'the kernel');
    client.send('four');
    await until(() => client.messages.length === 3, 'all answers');
    assert.deepEqual(next.peers.length, 1);
    assert.deepEqual(next.peers[0]?.messages.map(String), ['two', 'three', 'four']);
    // An answer that is in the socket when the kernel takes over may be overtaken by a later one, and is not lost.
    assert.deepEqual(client.messages.map(String).sort(), ['next four', 'next three', 'next two']);
    const { source, destination } = await proxy.session('l');
    assert.deepEqual([source.messages, destination.messages], Array(2).fill({ in: 5, out: 5 }));
  });
}

for (const io of ['node', 'auto']) {
  test(`JSONSocket over UDP is carried by the kernel once the headers are exchanged (io: ${io})`, {
    skip,
  }, async (t) => {
    const server = await serveDatagram(t);
    const { proxy, ports } = await startProxy(t, ['near', 'far'], ({ near, far }) => ({
      admin: { io, offload: 'init', offload_ifs: 'lo' },
      listeners: [
        listener('near', { protocol: 'UDP', port: near }, { destination: to(jsonSocket(far)) }),
        listener('far', jsonSocket(far), { destination: to({ protocol: 'UDP', port: server.port }) }),
      ],
    }));
    const client = await connectDatagram(t, ports.near);
    for (let n = 0; n < 50; n++) assert.equal(await ask(client, `message ${n}`), `message ${n}`);
    for (const name of ['near', 'far']) {
      const { pipes, source, destination } = await proxy.session(name);
      assert.deepEqual(pipes, ['kernel', 'kernel']);
      assert.deepEqual([source.messages, destination.messages], Array(2).fill({ in: 50, out: 50 }));
    }
    await proxy.ok('POST', 'admin', SWITCH.disable);
    assert.equal(await ask(client, 'userspace'), 'userspace');
    await proxy.ok('POST', 'admin', SWITCH.init);
    assert.equal(await ask(client, 'kernel'), 'kernel');
    assert.deepEqual((await proxy.session('far')).source.messages, { in: 52, out: 52 });
    assert.deepEqual((await proxy.session('far')).pipes, ['kernel', 'kernel']);
  });
}

for (const io of ['node', 'auto']) {
  test(`that the far end of JSONSocket has forgotten the session is seen in the kernel too (io: ${io})`, {
    skip,
  }, async (t) => {
    const server = await serveDatagram(t);
    const { proxy, ports } = await startProxy(t, ['near', 'far'], ({ near, far }) => ({
      admin: { io, offload: 'init', offload_ifs: 'lo' },
      clusters: [{ name: 'server', ...to({ protocol: 'UDP', port: server.port }) }],
      listeners: [
        listener(
          'near',
          { protocol: 'UDP', port: near },
          { destination: to(jsonSocket(far)), retry: { retry_on: 'disconnect', num_retries: 1000, timeout: 20 } },
          { options: { connect_timeout: 5000 } },
        ),
        listener('far', jsonSocket(far), { destination: 'server' }),
      ],
    }));
    const client = await connectDatagram(t, ports.near);
    assert.equal(await ask(client, 'one'), 'one');
    const lifted = async () => (await proxy.session('near')).pipes[0] === 'kernel';
    await until(lifted, 'it is in the kernel');
    assert.equal(await ask(client, '{"JSONSocketx":"data"}'), '{"JSONSocketx":"data"}');
    await proxy.ok('DELETE', 'listeners/far?recursive=true');
    await proxy.ok('POST', 'listeners', {
      listener: listener('far', jsonSocket(ports.far), { destination: 'server' }),
    });
    client.send('lost');
    await until(
      async () =>
        (await proxy.sessions('near'))[0].events.filter(({ event }: { event: string }) => event === 'CONNECT').length >
        1,
      'it is greeted anew',
    );
    assert.equal(await ask(client, 'two'), 'two');
    assert.deepEqual(client.messages, []);
  });
}

test('a session that only the kernel sees is alive, and ends when it is silent', { skip }, async (t) => {
  const { proxy, client } = await echoing(t, 'auto', { options: { idle_timeout: 1000 } });
  const started = performance.now();
  while (performance.now() - started < 2500) {
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

test('a session whose client sends to a second address of ours comes down for good, and is answered from there', {
  skip,
}, async (t) => {
  const { proxy, port } = await echoing(t, 'auto');
  const socket = dgram.createSocket('udp4');
  t.after(() => socket.close());
  const answerer = async (hit: string): Promise<string> => {
    socket.send(hit, port, hit);
    const [bytes, { address }] = await once(socket, 'message');
    assert.equal(String(bytes), hit);
    return address;
  };
  assert.equal(await answerer('127.0.0.5'), '127.0.0.5');
  const mine = async () =>
    (await proxy.sessions('l')).find(({ metadata }) => metadata.UDP.src_port === socket.address().port);
  const rungs = async () => (await mine())?.pipes as string[];
  await until(async () => (await rungs())?.includes('kernel'));
  // Answers that are in the kernel already leave from the first one.
  await until(async () => (await answerer('127.0.0.7')) === '127.0.0.7');
  await until(async () => !(await rungs()).includes('kernel'));
  for (const hit of ['127.0.0.5', '127.0.0.7']) assert.equal(await answerer(hit), hit);
  assert.ok(!(await rungs()).includes('kernel'));
});
