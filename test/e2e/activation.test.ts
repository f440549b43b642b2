/** Sockets that a service manager has opened before the process began. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP, writeConfig } from '../support/command.ts';
import { ask, connectDatagram, connectStream } from '../support/peers.ts';
import { program } from '../support/programs.ts';
import { listener } from '../support/proxy.ts';

const folder = mkdtempSync(join(tmpdir(), 'l7mp-activation-'));
after(() => rmSync(folder, { recursive: true }));

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

/** The command, which begins when something comes to one of the sockets. */
async function activated(
  t: TestContext,
  sockets: readonly string[],
  listeners: object[],
  threads: number,
): Promise<Command> {
  const file = await writeConfig(t, { admin: { io: 'native', threads }, listeners });
  const places = sockets.flatMap((socket) => (socket.startsWith('-') ? [socket] : ['-l', socket]));
  const command = new Command(t, program('systemd-socket-activate'), [...places, L7MP, '-c', file]);
  await until(
    () => command.stderr.split('Listening on').length > places.filter((place) => place === '-l').length,
    'it listens',
  );
  return command;
}

for (const threads of [0, 2]) {
  test(`a client that comes before the process, of ${threads} workers, is served by it: TCP, UNIX sockets, and the API beside them`, async (t) => {
    const [tcp, api] = [await freePort(), await freePort()];
    const path = join(folder, `socket-${threads}`);
    const listeners = [
      listener('tcp', { protocol: 'TCP', port: tcp, address: HOST }, ECHO),
      listener('unix', { protocol: 'UnixDomainSocket', filename: path }, ECHO),
      listener(
        'api',
        { protocol: 'HTTP', port: api, address: HOST },
        { destination: { spec: { protocol: 'L7mpController' } } },
      ),
    ];
    const command = await activated(t, [`${HOST}:${tcp}`, path], listeners, threads);
    const early = await connectStream(t, { port: tcp });
    assert.equal(await ask(early, 'early'), 'early');
    assert.equal(await ask(await connectStream(t, { path }), 'by a path'), 'by a path');
    await command.running();
    // The socket is there for whoever listens there next.
    const at = `http://${HOST}:${api}/api/v1/listeners`;
    const deleted = await fetch(`${at}/tcp`, { method: 'DELETE' });
    assert.equal(deleted.status, 200);
    const waiting = connectStream(t, { port: tcp });
    const body = { listener: listener('again', { protocol: 'TCP', port: tcp, address: HOST }, ECHO) };
    const headers = { 'content-type': 'application/json' };
    const added = await fetch(at, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(added.status, 200);
    assert.equal(await ask(await waiting, 'again'), 'again');
  });

  test(`so is one that sends a datagram, of ${threads} workers`, async (t) => {
    const port = await freePort();
    const spec = { protocol: 'UDP', port, address: HOST };
    await activated(t, ['-d', `${HOST}:${port}`], [listener('udp', spec, ECHO)], threads);
    assert.equal(await ask(await connectDatagram(t, port), 'early'), 'early');
    const peers = await Promise.all(Array.from({ length: 8 }, () => connectDatagram(t, port)));
    for (const peer of peers) assert.equal(await ask(peer, 'later'), 'later');
  });
}

test('node’s sockets are opened anew, and the log says that those which were there are not used', async (t) => {
  const port = await freePort();
  const file = await writeConfig(t, { admin: { io: 'node' }, listeners: [] });
  const command = new Command(t, program('systemd-socket-activate'), ['-l', `${HOST}:${port}`, L7MP, '-c', file]);
  await until(() => command.stderr.includes('Listening on'), 'it listens');
  await connectStream(t, { port });
  await until(
    () => /warn io: sockets of the service manager are for native I\/O only: they are not used/.test(command.output),
    'it says so',
  );
});
