/** TLS on byte streams, with peers that others have written: openssl, curl, node's own client, ws. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync, symlinkSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, stat } from 'node:fs/promises';
import * as net from 'node:net';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import * as tls from 'node:tls';
import WebSocket from 'ws';
import { engines } from '../../src/io/testing.ts';
import { L7mp } from '../../src/proxy.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Authority, type Certificate, texts } from '../support/certificates.ts';
import { testLog } from '../support/log.ts';
import { ask, bytes, connectStream, next, serveStream } from '../support/peers.ts';
import { program, run } from '../support/programs.ts';
import { listener, request, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const P384 = { name: 'secp384r1' };
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

const authority = await Authority.make(after);
const stranger = await Authority.make(after, 'somebody else');
const own = await authority.issue();
const other = await authority.issue({ names: 'DNS:other.example,DNS:*.wild.example' });
const client = await authority.issue({ names: 'DNS:client.example,URI:spiffe://example/client', commonName: 'client' });

/** A listener that echoes. */
const echo = (port: number, more: object = {}): object =>
  listener('l', { protocol: 'TCP', port, address: HOST, tls: { ...own, ...more } }, ECHO);

/** A listener without TLS, in front of an endpoint with it. */
const dialling = (port: number, to: number, more: object | true = {}, address = 'localhost'): object => ({
  name: 'l',
  spec: { protocol: 'TCP', port, address: HOST },
  rules: [
    {
      action: {
        route: {
          destination: {
            name: 'c',
            spec: { protocol: 'TCP', port: to, tls: more === true ? true : { ca: authority.cert, ...more } },
            endpoints: [{ name: 'e', spec: { address } }],
          },
        },
      },
    },
  ],
});

// -------------------------------------------------------------------- peers

interface Talk {
  readonly text: string;
  readonly code: number | null;
}

/** What openssl s_client says, on both its streams, until it ends; `input` is sent, and then an end. */
async function sClient(port: number, input: string, ...args: string[]): Promise<Talk> {
  const child = spawn(program('openssl'), ['s_client', '-connect', `${HOST}:${port}`, '-no_ign_eof', ...args]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
  child.stdin.on('error', () => {});
  child.stdin.write(input);
  // It would leave at the end of its input, before there is an answer.
  await until(() => (input !== '' && text.endsWith(input)) || child.exitCode !== null, 'an answer, or an end');
  child.stdin.end();
  if (child.exitCode === null) await once(child, 'exit');
  return { text, code: child.exitCode };
}

/** openssl s_server, which sends back each line reversed. */
async function sServer(
  t: TestContext,
  pair: Certificate,
  ...args: string[]
): Promise<{ port: number; child: ChildProcess }> {
  const port = await freePort();
  const child = spawn(program('openssl'), [
    's_server',
    ...['-accept', `${HOST}:${port}`, '-cert', pair.cert, '-key', pair.key, '-rev', ...args],
  ]);
  t.after(() => child.kill());
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  await until(() => text.includes('ACCEPT'), 'openssl s_server listens');
  return { port, child };
}

/** openssl s_server that tells of each connection whether it is resumed: `New` or `Reused`. */
async function tellingServer(t: TestContext, port: number, ...args: string[]) {
  const child = spawn(program('openssl'), [
    's_server',
    ...['-accept', `${HOST}:${port}`, '-cert', own.cert, '-key', own.key, ...args],
  ]);
  t.after(() => child.kill());
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  await until(() => text.includes('ACCEPT'), 'openssl s_server listens');
  const stop = async (): Promise<void> => {
    child.kill();
    await once(child, 'exit');
  };
  return { said: () => text, say: (line: string) => child.stdin.write(`${line}\n`), stop };
}

type TellingServer = Awaited<ReturnType<typeof tellingServer>>;

/** Connects through a proxy. Returns whether the connection to such a server was a resumed one. */
async function resumes(t: TestContext, port: number, server: TellingServer): Promise<boolean> {
  const before = server.said().length;
  const peer = await connectStream(t, { port });
  peer.send('it is there\n');
  await until(() => server.said().slice(before).includes('it is there'), 'what was sent');
  // By then the tickets have come, too.
  server.say('an answer');
  assert.equal(await next(peer), 'an answer\n');
  peer.close();
  return server.said().slice(before).includes('Reused session-id');
}

/** A client of node's, which trusts the authority. */
async function secure(t: TestContext, port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = connectTls(t, port, options);
  await once(socket, 'secureConnect');
  return socket;
}

/** Likewise, with what it can come back with. */
async function withTicket(
  t: TestContext,
  port: number,
  options: tls.ConnectionOptions,
): Promise<[tls.TLSSocket, Buffer]> {
  const socket = connectTls(t, port, options);
  const [ticket] = (await once(socket, 'session')) as [Buffer];
  return [socket, ticket];
}

function connectTls(t: TestContext, port: number, options: tls.ConnectionOptions): tls.TLSSocket {
  const trusting = { ca: authority.text, servername: 'localhost', allowHalfOpen: true };
  const socket = tls.connect({ host: HOST, port, ...trusting, ...options });
  t.after(() => socket.destroy());
  return socket;
}

/** Why a client of node's is not served. With TLS 1.3 it hears of that when it reads. */
async function refusal(t: TestContext, port: number, options: tls.ConnectionOptions = {}): Promise<string> {
  const socket = connectTls(t, port, { ...options, allowHalfOpen: false } as tls.ConnectionOptions);
  const failed = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>;
  const [error] = await Promise.race([failed, once(socket, 'close').then(() => [new Error('closed')])]);
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}

const pairOf = async ({ cert, key }: Certificate) => ({ cert: await readFile(cert), key: await readFile(key) });

/** How often a handshake with the listener has failed, for this reason. */
async function rejected(metrics: number, reason: string): Promise<number> {
  const { text } = await request({ port: metrics, method: 'GET', path: '/metrics' });
  const series = `listener_rejects_total{listenerName="l",protocol="TCP",reason="${reason}"} `;
  const line = text.split('\n').find((one) => one.startsWith(series)) ?? '0';
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

const metrics = (port: number): object =>
  listener('metrics', { protocol: 'HTTP', port, address: HOST }, { destination: { spec: { protocol: 'Prometheus' } } });

for (const { name, admin, skip } of engines()) {
  describe(`TLS with ${name} I/O`, { skip }, () => {
    test('openssl s_client is served, with TLS 1.2 and 1.3, and the session knows of it', async (t) => {
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({ admin, listeners: [echo(l)] }));
      for (const version of ['tls1_2', 'tls1_3']) {
        const trust = ['-CAfile', authority.cert, '-verify_return_error', '-verify_hostname', 'localhost'];
        const { text, code } = await sClient(ports.l, 'hello\n', `-${version}`, ...trust, '-servername', 'localhost');
        assert.equal(code, 0, text);
        assert.match(text, /Verify return code: 0/);
      }
      const socket = await secure(t, ports.l, { maxVersion: 'TLSv1.2' });
      socket.write('x');
      const { metadata } = await proxy.session('l');
      const { cipher, ...others } = metadata.TLS;
      assert.deepEqual(others, { version: 'TLSv1.2', servername: 'localhost' });
      assert.match(cipher, /^ECDHE-ECDSA-/);
    });

    test('openssl s_server is dialled, and verified; what is wrong is a failed connection with its cause', async (t) => {
      const expired = await authority.issue({ days: -1 });
      const good = await sServer(t, own);
      const bad = await sServer(t, expired);
      const cases: [number, object | true, string, RegExp | undefined][] = [
        [good.port, {}, 'localhost', undefined],
        [good.port, {}, HOST, undefined],
        [good.port, { servername: 'localhost' }, HOST, undefined],
        [good.port, { servername: 'elsewhere' }, HOST, /elsewhere/],
        [good.port, true, 'localhost', /unable to (get|verify)/],
        [good.port, { ca: stranger.cert }, 'localhost', /unable to (get|verify)/],
        [bad.port, {}, 'localhost', /certificate has expired/],
        [bad.port, { ca: undefined, verify: false }, 'localhost', undefined],
      ];
      for (const [to, fields, address, why] of cases) {
        const config = ({ l }: { l: number }) => ({
          admin,
          listeners: [{ ...dialling(l, to, fields, address), options: { track: 60 } }],
        });
        const { proxy, ports } = await startProxy(t, ['l'], config);
        const peer = await connectStream(t, { port: ports.l });
        peer.send('abc\n');
        if (!why) assert.equal(await next(peer), 'cba\n');
        else {
          const [session] = await until(async () => {
            const all = await proxy.sessions('l');
            return all.some(({ status }) => status === 'FAIL' || status === 'DESTROYED') && all;
          }, 'the failed session');
          assert.match(JSON.stringify(await proxy.ok('GET', `sessions/${session.name}`)), why);
          assert.equal(bytes(peer).length, 0);
        }
        peer.close();
        await proxy.proxy.stop();
      }
    });

    test('clients show certificates where they are asked to: a bad one is none, or the end', async (t) => {
      const ca = { ca: authority.cert };
      const stolen = await stranger.issue({ commonName: 'client' });
      const expired = await authority.issue({ days: -1 });
      const { proxy, ports } = await startProxy(t, ['asks', 'wants', 'metrics'], (at) => ({
        admin,
        listeners: [
          listener(
            'asks',
            { protocol: 'TCP', port: at.asks, address: HOST, tls: { ...own, ...ca, client_auth: 'request' } },
            ECHO,
          ),
          echo(at.wants, { ...ca, client_auth: 'require' }),
          metrics(at.metrics),
        ],
      }));
      const known = {
        authorized: true,
        peer: { subject: { CN: 'client' }, subjectaltname: 'DNS:client.example, URI:spiffe://example/client' },
      };
      const shown: [Certificate | undefined, object][] = [
        [client, known],
        [stolen, { authorized: false }],
        [expired, { authorized: false, authorization_error: 'certificate has expired' }],
        [undefined, { authorized: false, authorization_error: 'the client has no certificate' }],
      ];
      for (const [pair, expected] of shown) {
        const socket = await secure(t, ports.asks, pair && (await pairOf(pair)));
        socket.write('x');
        const session = await proxy.session('asks');
        assert.partialDeepStrictEqual(session.metadata.TLS, expected);
        assert.equal('peer' in session.metadata.TLS, pair === client);
        socket.destroy();
        await proxy.noSession('asks');
      }
      const socket = await secure(t, ports.wants, await pairOf(client));
      socket.end('served');
      assert.equal(String((await once(socket, 'data'))[0]), 'served');
      for (const pair of [stolen, expired, undefined]) await refusal(t, ports.wants, pair && (await pairOf(pair)));
      await until(async () => (await rejected(ports.metrics, 'bad-certificate')) === 3, 'three are counted');
      assert.deepEqual(await proxy.sessions('l'), []);
    });

    test('the name that a client asks for chooses the certificate; an unknown one gets the first, or an alert', async (t) => {
      const { ports } = await startProxy(t, ['l', 'strict', 'metrics'], (at) => {
        const certificates = [{ servernames: ['other.example', '*.wild.example'], ...texts(other) }];
        const strict = { protocol: 'TCP', port: at.strict, address: HOST, tls: { certificates, strict_sni: true } };
        return { admin, listeners: [echo(at.l, { certificates }), listener('strict', strict, ECHO)] };
      });
      const names: [string, string][] = [
        ['other.example', 'other.example'],
        ['a.wild.example', 'other.example'],
        ['a.b.wild.example', 'localhost'],
        ['unknown.example', 'localhost'],
        ['', 'localhost'],
      ];
      for (const [servername, expected] of names) {
        const socket = await secure(t, ports.l, { servername, checkServerIdentity: () => undefined });
        assert.equal(socket.getPeerCertificate().subject.CN, expected, servername);
      }
      assert.equal((await secure(t, ports.strict, { servername: 'a.wild.example' })).authorized, true);
      for (const servername of ['unknown.example', '']) {
        assert.equal(await refusal(t, ports.strict, { servername }), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
      }
    });

    test('both sides agree on a protocol by ALPN, or there is an alert', async (t) => {
      const { ports } = await startProxy(t, ['l'], ({ l }) => ({ admin, listeners: [echo(l, { alpn: ['a', 'b'] })] }));
      assert.equal((await secure(t, ports.l, { ALPNProtocols: ['c', 'b', 'a'] })).alpnProtocol, 'a');
      assert.equal((await secure(t, ports.l)).alpnProtocol, false);
      assert.equal(await refusal(t, ports.l, { ALPNProtocols: ['c'] }), 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
    });

    test('min_version is kept to', async (t) => {
      const { ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin,
        listeners: [echo(l, { min_version: '1.3' })],
      }));
      assert.equal((await secure(t, ports.l)).getProtocol(), 'TLSv1.3');
      assert.match(await refusal(t, ports.l, { maxVersion: 'TLSv1.2' }), /PROTOCOL_VERSION/);
    });

    test('what is not TLS, and what is cut off in the handshake, is counted with its reason and its peer', async (t) => {
      const log = await testLog(t, 'verbose');
      const { proxy, ports } = await startProxy(t, ['l', 'metrics'], (at) => ({
        admin: { ...admin, ...log.admin },
        listeners: [echo(at.l), metrics(at.metrics)],
      }));
      const plain = await connectStream(t, { port: ports.l });
      plain.send('GET / HTTP/1.1\r\n\r\n');
      await until(() => plain.closed !== undefined || plain.ended, 'the end');
      await until(async () => (await rejected(ports.metrics, 'not-tls')) === 1, 'it is counted');
      const cut = await connectStream(t, { port: ports.l });
      cut.send(Buffer.from([22, 3, 1, 0, 200, 1]));
      cut.end();
      await until(async () => (await rejected(ports.metrics, 'broken-handshake')) === 1, 'it is counted');
      await until(async () => {
        const lines = (await log.lines()).filter((line) => line.includes('broken handshake'));
        return (
          lines[0] === `verbose l: broken handshake from ${HOST}:${plain.port}: no ClientHello: it is not TLS` &&
          lines[1]?.startsWith(`verbose l: broken handshake from ${HOST}:${cut.port}: the peer ended`)
        );
      }, 'both are in the log');
      assert.deepEqual(await proxy.sessions('l'), []);
    });

    test('an end is passed on where the peer has said so, and what is cut off is a reset', async (t) => {
      const server = await serveStream(t);
      const to = {
        destination: { spec: { protocol: 'TCP', port: server.port }, endpoints: [{ spec: { address: HOST } }] },
      };
      const { ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin,
        listeners: [listener('l', { protocol: 'TCP', port: l, address: HOST, tls: own }, to)],
      }));
      const socket = await secure(t, ports.l);
      socket.end('all of it');
      const whole = await until(() => server.peers[0], 'the connection');
      await until(() => whole.ended, 'the end');
      whole.send('and more');
      whole.end();
      const answer: Buffer[] = [];
      socket.on('data', (data: Buffer) => answer.push(data));
      await once(socket, 'end');
      assert.equal(String(Buffer.concat(answer)), 'all of itand more');
      // The same without a close_notify: the connection below ends by itself.
      const below = net.connect({ host: HOST, port: ports.l });
      const cut = await secure(t, 0, { socket: below } as object);
      cut.write('a part of it');
      const part = await until(() => server.peers.find((peer) => bytes(peer).includes('a part')), 'a part');
      below.end();
      await until(() => part.closed !== undefined || part.ended, 'the end');
      assert.deepEqual([part.closed, part.ended], ['ECONNRESET', false]);
    });

    test('a record that was changed, or is none, ends the session, and nothing of it reaches anybody', async (t) => {
      const server = await serveStream(t);
      const to = {
        destination: { spec: { protocol: 'TCP', port: server.port }, endpoints: [{ spec: { address: HOST } }] },
      };
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin,
        listeners: [listener('l', { protocol: 'TCP', port: l, address: HOST, tls: own }, to)],
      }));
      const record = Buffer.concat([Buffer.from([23, 3, 3, 0, 64]), Buffer.alloc(64, 7)]);
      for (const wrong of [record, Buffer.from('no record at all'), Buffer.from([23, 3, 3, 0xff, 0xff])]) {
        const below = net.connect({ host: HOST, port: ports.l });
        const socket = await secure(t, 0, { socket: below } as object);
        socket.on('error', () => {});
        socket.write('good');
        await until(() => server.peers.some((peer) => String(bytes(peer)) === 'good' && !peer.closed), 'what was good');
        below.write(wrong);
        await proxy.noSession('l');
      }
      for (const peer of server.peers) {
        assert.equal(String(bytes(peer)), 'good');
        await until(() => peer.closed !== undefined || peer.ended, 'its end');
      }
    });

    test('files are taken up anew within seconds, also behind links, without touching a session; bad ones are not', async (t) => {
      const log = await testLog(t, 'info');
      const volume = join(authority.directory, `volume-${name}`);
      const take = async (pair: Certificate, version: string): Promise<void> => {
        await mkdir(join(volume, version), { recursive: true });
        await copyFile(pair.cert, join(volume, version, 'tls.crt'));
        await copyFile(pair.key, join(volume, version, 'tls.key'));
        symlinkSync(version, join(volume, `..${version}`));
        renameSync(join(volume, `..${version}`), join(volume, '..data'));
      };
      await take(own, '1');
      for (const file of ['tls.crt', 'tls.key']) symlinkSync(`..data/${file}`, join(volume, file));
      const pair = { cert: join(volume, 'tls.crt'), key: join(volume, 'tls.key') };
      const { ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin: { ...admin, ...log.admin },
        listeners: [echo(l, pair)],
      }));
      const before = await secure(t, ports.l);
      await take({ cert: other.cert, key: own.key }, '2');
      await until(async () => /stay as they were.*is not the key/.test((await log.lines()).join('\n')), 'a warning');
      assert.equal((await secure(t, ports.l)).getPeerCertificate().subject.CN, 'localhost');
      await take(other, '3');
      await until(async () => {
        const socket = await secure(t, ports.l, { servername: 'other.example', checkServerIdentity: () => undefined });
        return socket.getPeerCertificate().subject.CN === 'other.example';
      }, 'the other certificate');
      before.write('still here');
      assert.equal(String((await once(before, 'data'))[0]), 'still here');
    });

    test('who was trusted and is no more is not taken any more, with a ticket of before neither', async (t) => {
      const ca = await authority.file(`trusted-${name}.pem`, authority.text);
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin,
        listeners: [echo(l, { ca, client_auth: 'request' })],
      }));
      const options = await pairOf(client);
      const [first, ticket] = await withTicket(t, ports.l, options);
      first.destroy();
      await proxy.noSession('l');
      const comeBack = async () => {
        const socket = await secure(t, ports.l, { ...options, session: ticket });
        socket.write('x');
        const { metadata } = await proxy.session('l');
        const resumed = socket.isSessionReused();
        socket.destroy();
        await proxy.noSession('l');
        return { resumed, authorized: metadata.TLS.authorized };
      };
      assert.deepEqual(await comeBack(), { resumed: true, authorized: true });
      await authority.file(`trusted-${name}.pem`, stranger.text);
      await until(async () => !(await comeBack()).authorized, 'it is not trusted any more');
      assert.equal((await comeBack()).resumed, false);
    });

    test('connections to an endpoint resume a session: of the version, of the settings, and not where they are not to', async (t) => {
      const log = await testLog(t, 'info');
      const ca = await authority.file(`endpoints-${name}.pem`, authority.text);
      for (const version of ['-tls1_2', '-tls1_3']) {
        const { proxy, ports } = await startProxy(t, ['l', 'never', 'other', 'to'], (at) => ({
          admin: { ...admin, ...log.admin },
          listeners: [
            dialling(at.l, at.to, { ca }),
            { ...dialling(at.never, at.to, { resumption: false }), name: 'never' },
            { ...dialling(at.other, at.to, { ca: undefined, verify: false }), name: 'other' },
          ].map((one, n) => JSON.parse(JSON.stringify(one).replace(/"name":"([ce])"/g, `"name":"$1${n}"`))),
        }));
        const server = await tellingServer(t, ports.to, version);
        const [l, other, never] = [ports.l, ports.other, ports.never].map((port) => () => resumes(t, port, server));
        assert.deepEqual([await l?.(), await l?.(), await l?.()], [false, true, true], version);
        assert.deepEqual([await other?.(), await other?.()], [false, true], version);
        assert.deepEqual([await never?.(), await never?.()], [false, false], version);
        // A server that does not know its own sessions any more gets a full handshake.
        await server.stop();
        const again = await tellingServer(t, ports.to, version);
        assert.deepEqual([await resumes(t, ports.l, again), await resumes(t, ports.l, again)], [false, true], version);
        const before = (await log.lines()).length;
        await authority.file(`endpoints-${name}.pem`, authority.text + stranger.text);
        await until(
          async () => (await log.lines()).slice(before).some((line) => line.includes('taken up anew')),
          'others',
        );
        assert.deepEqual([await resumes(t, ports.l, again), await resumes(t, ports.l, again)], [false, true], version);
        await again.stop();
        await proxy.proxy.stop();
        await authority.file(`endpoints-${name}.pem`, authority.text);
      }
    });

    test('groups for the exchange of keys are kept to, and an unknown one is an error', async (t) => {
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin,
        listeners: [echo(l, { groups: ['P-256', 'P-384'] })],
      }));
      assert.partialDeepStrictEqual((await secure(t, ports.l, { ecdhCurve: 'P-384' })).getEphemeralKeyInfo(), P384);
      assert.match(await refusal(t, ports.l, { ecdhCurve: 'X25519' }), /HANDSHAKE_FAILURE/);
      const spec = { protocol: 'TCP', port: 1, tls: { ...own, groups: ['P-256', 'no-such-group'] } };
      const { status, text } = await proxy.api('POST', 'listeners', { listener: listener('new', spec, ECHO) });
      assert.equal(status, 400, text);
      assert.match(text, /no-such-group/);
    });

    test('a listener that is not to resume does not', async (t) => {
      const { ports } = await startProxy(t, ['l'], ({ l }) => ({ admin, listeners: [echo(l, { resumption: false })] }));
      const session = join(authority.directory, `not-resumed-${name}`);
      for (const version of ['-tls1_2', '-tls1_3']) {
        const trust = [version, '-CAfile', authority.cert];
        await sClient(ports.l, 'x\n', ...trust, '-sess_out', session);
        // It says so where there was one to begin with.
        if (!existsSync(session)) continue;
        assert.match((await sClient(ports.l, 'x\n', ...trust, '-sess_in', session)).text, /^New, /m);
        await rm(session);
      }
    });

    test('thousands of half-done handshakes do not keep others out', async (t) => {
      const { ports } = await startProxy(t, ['l'], ({ l }) => ({ admin, listeners: [echo(l)] }));
      const half: net.Socket[] = [];
      t.after(() => {
        for (const socket of half) socket.destroy();
      });
      for (let n = 0; n < 5000; n++) {
        const socket = net.connect({ host: HOST, port: ports.l });
        socket.on('error', () => {});
        socket.once('connect', () => socket.write(Buffer.from([22, 3, 1, 2, 0, 1])));
        half.push(socket);
        if (n % 500 === 499) await once(socket, 'connect');
      }
      const socket = await secure(t, ports.l);
      socket.write('served');
      assert.equal(String((await once(socket, 'data'))[0]), 'served');
    });

    test('passed through, it is decrypted by the endpoint that its name leads to', async (t) => {
      const [a, b] = [await sServer(t, own), await sServer(t, other)];
      const to = (port: number) => ({
        route: { destination: { spec: { protocol: 'TCP', port }, endpoints: [{ spec: { address: HOST } }] } },
      });
      const { proxy, ports } = await startProxy(t, ['l', 'metrics'], (at) => ({
        admin,
        listeners: [
          {
            name: 'l',
            spec: { protocol: 'TCP', port: at.l, address: HOST, tls: { mode: 'passthrough' } },
            rules: [
              { match: { op: 'test', path: '/TLS/servername', value: 'localhost' }, action: to(a.port) },
              { match: { op: 'test', path: '/TLS/alpn/0', value: 'x' }, action: to(b.port) },
            ],
          },
          metrics(at.metrics),
        ],
      }));
      const one = await secure(t, ports.l);
      one.write('abc\n');
      assert.equal(String((await once(one, 'data'))[0]), 'cba\n');
      assert.deepEqual((await proxy.session('l')).metadata.TLS, { servername: 'localhost' });
      const two = await secure(t, ports.l, { servername: 'other.example', ALPNProtocols: ['x'] });
      assert.equal(two.getPeerCertificate().subject.CN, 'other.example');
      const plain = await connectStream(t, { port: ports.l });
      plain.send('no TLS');
      await until(async () => (await rejected(ports.metrics, 'not-tls')) === 1, 'it is counted');
    });

    test('https and wss are served: curl, and ws', async (t) => {
      const { ports } = await startProxy(t, ['http', 'ws'], (at) => ({
        admin,
        listeners: (
          [
            ['HTTP', at.http],
            ['WebSocket', at.ws],
          ] as const
        ).map(([protocol, port]) => listener(protocol, { protocol, port, address: HOST, tls: own }, ECHO)),
      }));
      const curl = (...args: string[]): Promise<string> =>
        run('curl', [
          '-sS',
          '--cacert',
          authority.cert,
          '-w',
          ' %{http_version}',
          '-d',
          'hello',
          ...args,
          `https://localhost:${ports.http}/`,
        ]);
      assert.equal(await curl('--http1.1'), 'hello 1.1');
      assert.equal(await curl('--http2'), 'hello 2');
      const ws = new WebSocket(`wss://localhost:${ports.ws}/`, { ca: await readFile(authority.cert) });
      t.after(() => ws.terminate());
      await once(ws, 'open');
      ws.send('over wss');
      assert.equal(String((await once(ws, 'message'))[0]), 'over wss');
    });

    test('JSONSocket and WebSocket clusters dial TLS', async (t) => {
      const tlsTo = { ca: authority.cert, servername: 'localhost' };
      const { ports } = await startProxy(t, ['front', 'middle', 'back'], (at) => {
        const hop = (spec: object) => ({ destination: { spec, endpoints: [{ spec: { address: HOST } }] } });
        const json = (transport: object) => ({ protocol: 'JSONSocket', transport });
        const tcp = (port: number, secured: object) => json({ protocol: 'TCP', port, tls: secured });
        return {
          admin,
          listeners: [
            listener('front', { protocol: 'TCP', port: at.front, address: HOST }, hop(tcp(at.middle, tlsTo))),
            listener(
              'middle',
              json({ protocol: 'TCP', port: at.middle, address: HOST, tls: own }),
              hop({ protocol: 'WebSocket', port: at.back, tls: tlsTo }),
            ),
            listener('back', { protocol: 'WebSocket', port: at.back, address: HOST, tls: own }, ECHO),
          ],
        };
      });
      const peer = await connectStream(t, { port: ports.front });
      assert.equal(await ask(peer, 'through three'), 'through three');
    });

    test('keys are shown to nobody, and what was read can be written back', async (t) => {
      const log = await testLog(t, 'silly');
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        admin: { ...admin, ...log.admin },
        listeners: [echo(l, texts(own))],
      }));
      const { key } = texts(own);
      const secret = key.split('\n')[1] as string;
      const socket = await secure(t, ports.l);
      socket.write('x');
      const session = await proxy.session('l');
      const seen = [
        await proxy.ok('GET', 'listeners/l'),
        await proxy.ok('GET', 'config'),
        await proxy.ok('GET', `sessions/${session.name}`),
        await proxy.ok('GET', 'sessions'),
      ];
      assert.equal(seen[0].spec.tls.key, '<redacted>');
      await proxy.ok('PUT', 'listeners/l', { listener: seen[0] });
      const bad = { ...seen[0], name: 'new', spec: { ...seen[0].spec, port: 1, tls: { cert: key, key } } };
      const refused = await proxy.api('POST', 'listeners', { listener: bad });
      assert.equal(refused.status, 400, refused.text);
      seen.push(refused.text, await log.lines());
      assert.ok(!JSON.stringify(seen).includes(secret));
      assert.equal((await secure(t, ports.l)).authorized, true);
    });
  });
}

test('a client comes back with its ticket to whichever worker', async (t) => {
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({ admin: { threads: 2 }, listeners: [echo(l)] }));
  const [first, ticket] = await withTicket(t, ports.l, {});
  first.write('x');
  const workers = new Set<number>([(await proxy.session('l')).worker]);
  for (let n = 0; n < 20; n++) {
    const socket = await secure(t, ports.l, { session: ticket });
    assert.equal(socket.isSessionReused(), true);
    socket.write('x');
    await once(socket, 'data');
  }
  for (const { worker } of await proxy.sessions('l')) workers.add(worker);
  assert.deepEqual([...workers].toSorted(), [0, 1]);
});

test('openssl s_client comes back with its session to either of two workers', async (t) => {
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({ admin: { threads: 2 }, listeners: [echo(l)] }));
  for (const version of ['-tls1_2', '-tls1_3']) {
    const session = join(authority.directory, `session${version}`);
    const trust = [version, '-CAfile', authority.cert];
    const first = await sClient(ports.l, 'x\n', ...trust, '-sess_out', session);
    assert.match(first.text, /^New, /m);
    for (let n = 0; n < 6; n++) {
      const { text } = await sClient(ports.l, 'x\n', ...trust, '-sess_in', session);
      assert.match(text, /^Reused, /m, text);
    }
  }
});

test('what is kept over a restart has the key, and nobody else reads it; a plan shows none', async (t) => {
  const state = join(authority.directory, 'state.json');
  const { proxy, ports } = await startProxy(t, ['l'], () => ({ admin: { state } }));
  const { listeners } = { listeners: [echo(ports.l, texts(own))] } as { listeners: [{ spec: object }] };
  const planned = await proxy.api('POST', 'listeners?dry_run=true', { listener: listeners[0] });
  assert.equal(planned.status, 200, planned.text);
  await proxy.ok('POST', 'listeners', { listener: listeners[0] });
  const secret = texts(own).key.split('\n')[1] as string;
  const form = await proxy.api('GET', 'config?form=apply');
  assert.ok(form.text.includes('<redacted>'));
  for (const text of [planned.text, form.text]) assert.ok(!text.includes(secret), text);
  assert.ok((await readFile(state, 'utf8')).includes(secret));
  assert.equal((await stat(state)).mode & 0o777, 0o600);
  // What was read changes nothing when it is written back.
  await proxy.ok('PUT', 'config', form.body);
  assert.equal((await secure(t, ports.l)).authorized, true);
  await proxy.proxy.stop();
  const again = new L7mp();
  t.after(() => again.stop());
  await again.start({ admin: { state, log_level: 'error', threads: 0 } });
  assert.equal((await secure(t, ports.l)).authorized, true);
});

test('a listener of HTTP cannot pass anything through', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  for (const protocol of ['HTTP', 'WebSocket']) {
    const spec = { protocol, port: 1, tls: { mode: 'passthrough' } };
    const { status, text } = await proxy.api('POST', 'listeners', { listener: listener('l', spec, ECHO) });
    assert.equal(status, 422, text);
    assert.match(text, /\/spec\/tls\/mode: /);
  }
});
