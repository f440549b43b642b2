/** DTLS with the programs of others at the other end, in both roles: openssl(1), gnutls-cli(1), gnutls-serv(1). */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { engines } from '../../../src/io/testing.ts';
import { freePort } from '../../../src/testing/ports.ts';
import { until } from '../../../src/testing/until.ts';
import { Authority } from '../../support/certificates.ts';
import { Command } from '../../support/command.ts';
import { ask, connectDatagram, connectStream, next, serveDatagram } from '../../support/peers.ts';
import { program } from '../../support/programs.ts';
import { listener, startProxy } from '../../support/proxy.ts';

const HOST = '127.0.0.1';

const authority = await Authority.make(after);
const server = await authority.issue();
const client = await authority.issue({ names: 'DNS:client.example' });

const to = (spec: object) => ({ destination: { name: 'c', spec, endpoints: [{ spec: { address: HOST } }] } });

const ECHO = { destination: { spec: { protocol: 'Echo' } } };

/** A program, and what is typed into it. */
function start(t: TestContext, name: string, args: readonly string[]): Command & { type(line: string): void } {
  const command = new Command(t, program(name), args, authority.directory);
  return Object.assign(command, { type: (line: string) => void command.child.stdin?.write(`${line}\n`) });
}

for (const { name: io, admin, skip } of engines()) {
  test(`openssl s_client talks to a plain UDP server through a DTLS listener, with ${io} I/O`, { skip }, async (t) => {
    const echo = await serveDatagram(t);
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      admin,
      listeners: [
        listener(
          'l',
          { protocol: 'UDP', port: l, address: HOST, tls: { ...server, alpn: ['coap', 'x'] } },
          to({ protocol: 'UDP', port: echo.port }),
        ),
      ],
    }));
    const args = ['s_client', '-dtls1_2', '-quiet', '-no_ign_eof', '-connect', `${HOST}:${ports.l}`];
    const trust = ['-CAfile', authority.cert, '-verify_return_error', '-servername', 'localhost', '-alpn', 'x'];
    const peer = start(t, 'openssl', [...args, ...trust]);
    peer.type('hello');
    await until(() => peer.stdout === 'hello\n', 'the echo');
    peer.type('again');
    await until(() => peer.stdout === 'hello\nagain\n', 'the second one');
    const { metadata, source } = await proxy.session('l');
    assert.deepEqual(metadata.TLS, {
      version: 'DTLSv1.2',
      cipher: 'ECDHE-ECDSA-AES256-GCM-SHA384',
      servername: 'localhost',
      alpn: 'x',
    });
    assert.deepEqual(source.messages, { in: 2, out: 2 });
    // Its end is a close_notify, which ends the session.
    peer.child.stdin?.end();
    await proxy.noSession('l');
  });

  for (const listen of [[], ['-listen']]) {
    test(`a plain UDP client talks to openssl s_server ${listen.join('')} by a DTLS cluster, with ${io} I/O`, {
      skip,
    }, async (t) => {
      const port = await freePort();
      const pair = ['-cert', server.cert, '-key', server.key];
      const accept = ['s_server', '-dtls1_2', ...listen, '-quiet', '-accept', `${HOST}:${port}`];
      const peer = start(t, 'openssl', [...accept, ...pair, '-Verify', '1', '-CAfile', authority.cert]);
      const { ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin,
        listeners: [
          listener(
            'l',
            { protocol: 'UDP', port: l, address: HOST },
            {
              ...to({ protocol: 'UDP', port, tls: { ca: authority.cert, ...client } }),
              retry: { retry_on: 'always', num_retries: 20 },
            },
          ),
        ],
      }));
      const own = await connectDatagram(t, ports.l);
      own.send('hello\n');
      await until(() => peer.stdout === 'hello\n', `the server has it: ${peer.stderr}`);
      peer.type('and back');
      assert.equal(await next(own), 'and back\n');
    });
  }

  test(`gnutls-cli talks to a DTLS listener, with ${io} I/O`, { skip }, async (t) => {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      admin,
      listeners: [listener('l', { protocol: 'UDP', port: l, address: HOST, tls: server }, ECHO)],
    }));
    const peer = start(t, 'gnutls-cli', ['--udp', '--x509cafile', authority.cert, '-p', `${ports.l}`, 'localhost']);
    await until(() => /Simple Client Mode/.test(peer.stdout), 'the handshake');
    peer.type('hello');
    await until(() => /^hello$/m.test(peer.stdout), 'the echo');
    assert.equal((await proxy.session('l')).metadata.TLS.version, 'DTLSv1.2');
  });

  test(`a TCP client talks to gnutls-serv by a DTLS cluster, with ${io} I/O`, { skip }, async (t) => {
    const port = await freePort();
    const pair = ['--x509certfile', server.cert, '--x509keyfile', server.key];
    const peer = start(t, 'gnutls-serv', ['--udp', '--echo', '--disable-client-cert', '-p', `${port}`, ...pair]);
    await until(() => /Echo Server/.test(peer.output) || peer.over, 'the server listens');
    const { ports } = await startProxy(t, ['l'], ({ l }) => ({
      admin,
      listeners: [
        listener(
          'l',
          { protocol: 'TCP', port: l, address: HOST },
          {
            ...to({ protocol: 'UDP', port, tls: { ca: authority.cert } }),
            retry: { retry_on: 'always', num_retries: 20 },
          },
        ),
      ],
    }));
    const own = await connectStream(t, { port: ports.l });
    assert.equal(await ask(own, 'hello\n'), 'hello\n');
  });
}
