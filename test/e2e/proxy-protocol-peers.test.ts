/** The PROXY protocol with those who speak it: haproxy and nginx on streams, dnsdist and unbound on datagrams. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Authority, texts } from '../support/certificates.ts';
import { Command } from '../support/command.ts';
import { ask, connectStream } from '../support/peers.ts';
import { program, run } from '../support/programs.ts';
import { listener, request, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };

before(() => {
  for (const name of ['haproxy', 'nginx', 'dnsdist', 'unbound', 'dig']) program(name);
});

/** Starts a program with a configuration of its own; `args`: made of the file's path, and of the folder's. */
async function startProgram(
  t: TestContext,
  name: string,
  config: string,
  args: (file: string, folder: string) => string[],
): Promise<Command> {
  const folder = await mkdtemp(join(tmpdir(), `l7mp-${name}-`));
  const file = join(folder, 'config');
  await writeFile(file, config.replaceAll('FOLDER', folder));
  const command = new Command(t, program(name), args(file, folder), folder);
  // It ends first: what is called later is in front.
  t.after(() => rm(folder, { recursive: true, force: true }));
  return command;
}

async function listens(port: number, command: Command): Promise<void> {
  await until(
    () =>
      new Promise<boolean>((resolve) => {
        if (command.over) throw new Error(command.output);
        const socket = net.connect(port, HOST, () => resolve(true));
        socket.on('error', () => resolve(false));
        socket.on('connect', () => socket.destroy());
      }),
    `port ${port} is listened on`,
  );
}

// -------------------------------------------------------------------- streams

async function startHaproxy(t: TestContext, port: number, config: string): Promise<void> {
  const defaults = 'defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n';
  await listens(port, await startProgram(t, 'haproxy', `${defaults}${config}`, (file) => ['-db', '-f', file]));
}

async function startNginx(t: TestContext, port: number, config: string): Promise<void> {
  const head = [
    'load_module /usr/lib/nginx/modules/ngx_stream_module.so;',
    'daemon off; pid FOLDER/pid; error_log stderr; worker_processes 1;',
    'events { }',
  ];
  const args = (file: string, folder: string) => ['-p', folder, '-c', file];
  await listens(port, await startProgram(t, 'nginx', `${head.join('\n')}\n${config}`, args));
}

const bind = (port: number, more = '') => `  bind ${HOST}:${port} ${more}\n`;

/** Those who say for whom they connect. */
const ANNOUNCERS: Record<string, (t: TestContext, front: number, back: number) => Promise<void>> = {
  'haproxy, version 1,': (t, front, back) =>
    startHaproxy(t, front, `listen l\n${bind(front)}  server s ${HOST}:${back} send-proxy\n`),
  'haproxy, version 2 with a checksum and an identity,': (t, front, back) =>
    startHaproxy(
      t,
      front,
      `listen l\n${bind(front)}  unique-id-format id-%ci\n  server s ${HOST}:${back} send-proxy-v2 proxy-v2-options crc32c,unique-id\n`,
    ),
  'nginx, version 1,': (t, front, back) =>
    startNginx(
      t,
      front,
      `stream { server { listen ${HOST}:${front}; proxy_pass ${HOST}:${back}; proxy_protocol on; } }`,
    ),
};

/** Those who are told, and answer an HTTP request with what they were. */
const TOLD: Record<string, (t: TestContext, port: number) => Promise<void>> = {
  haproxy: (t, port) => {
    const answer =
      'http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]-%[dst]:%[dst_port]"';
    return startHaproxy(t, port, `frontend f\n  mode http\n${bind(port, 'accept-proxy')}  ${answer}\n`);
  },
  nginx: (t, port) => {
    const ends = [
      '$proxy_protocol_addr',
      '$proxy_protocol_port',
      '$proxy_protocol_server_addr',
      '$proxy_protocol_server_port',
    ] as const;
    const text = `${ends[0]}:${ends[1]}-${ends[2]}:${ends[3]}`;
    return startNginx(
      t,
      port,
      `http { access_log off; server { listen ${HOST}:${port} proxy_protocol; return 200 "${text}"; } }`,
    );
  },
};

describe('the PROXY protocol on streams', () => {
  for (const [name, start] of Object.entries(ANNOUNCERS)) {
    test(`from ${name} is understood: the session is that of its client`, async (t) => {
      const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
        listeners: [listener('l', { protocol: 'TCP', port: l, address: HOST, proxy_protocol: true }, ECHO)],
      }));
      const front = await freePort();
      await start(t, front, ports.l);
      const client = await connectStream(t, { port: front });
      assert.equal(await ask(client, 'hello'), 'hello');
      const names = (await proxy.sessions('l')).map((session) => session.name);
      assert.ok(names.includes(`TCP:${HOST}:${client.port}-${HOST}:${front}`), names.join());
      if (!name.includes('identity')) return;
      const [session] = (await proxy.sessions('l')).filter(({ status }) => status === 'CONNECTED');
      assert.equal(session.metadata.PROXY.tlvs.unique_id, Buffer.from('id-127.0.0.1').toString('hex'));
    });
  }

  for (const [name, start] of Object.entries(TOLD)) {
    for (const version of ['v1', 'v2']) {
      test(`${version} is understood by ${name}, from an HTTP client that has sent nothing of it`, async (t) => {
        const port = await freePort();
        await start(t, port);
        const destination = {
          spec: { protocol: 'TCP', port, proxy_protocol: version },
          endpoints: [{ spec: { address: HOST } }],
        };
        const rewrite = [
          { path: '/IP', value: { src_addr: '2001:db8::7', dst_addr: '2001:db8::8' } },
          { path: '/TCP', value: { src_port: 7777, dst_port: 8888 } },
        ];
        const { ports } = await startProxy(t, ['plain', 'rewritten'], ({ plain, rewritten }) => ({
          listeners: [
            listener('plain', { protocol: 'TCP', port: plain, address: HOST }, { destination }),
            {
              name: 'rewritten',
              spec: { protocol: 'TCP', port: rewritten, address: HOST },
              rules: [{ action: { rewrite, route: { destination } } }],
            },
          ],
        }));
        const { text } = await request({ port: ports.plain });
        assert.match(text, new RegExp(`^${HOST}:\\d+-${HOST}:${ports.plain}$`));
        const told = await request({ port: ports.rewritten });
        assert.equal(told.text, '2001:db8::7:7777-2001:db8::8:8888');
      });
    }
  }
});

test('stands below TLS: haproxy and curl speak it in front of their handshakes, and rules see both', async (t) => {
  const authority = await Authority.make((end) => t.after(end));
  const certificate = await authority.issue();
  const rules = [
    {
      match: {
        op: 'and',
        apply: [
          { op: 'cidr', path: '/PROXY/src_addr', value: '127.0.0.0/8' },
          { op: 'starts', path: '/TLS/version', value: 'TLSv1.' },
        ],
      },
      action: { route: ECHO },
    },
  ];
  const { proxy, ports } = await startProxy(t, ['l', 'outer'], ({ l, outer }) => ({
    listeners: [
      {
        name: 'l',
        spec: { protocol: 'HTTP', port: l, address: HOST, tls: texts(certificate), proxy_protocol: true },
        rules,
        options: { track: 60 },
      },
      listener(
        'outer',
        { protocol: 'HTTP', port: outer, address: HOST },
        {
          destination: {
            spec: {
              protocol: 'HTTP',
              port: l,
              proxy_protocol: 'v2',
              tls: { ca: authority.text, servername: 'localhost' },
            },
            endpoints: [{ spec: { address: HOST } }],
          },
        },
      ),
    ],
  }));
  const front = await freePort();
  const server = `server s ${HOST}:${ports.l} send-proxy-v2 ssl verify required ca-file ${authority.cert} verifyhost localhost`;
  await startHaproxy(t, front, `listen l\n${bind(front)}  ${server}\n`);
  const ask = (...args: string[]) => run('curl', ['--silent', '--show-error', '--data', 'hello', ...args]);
  assert.equal(await ask(`http://${HOST}:${front}/`), 'hello');
  const direct = ['--haproxy-protocol', '--cacert', authority.cert, `https://localhost:${ports.l}/`];
  assert.equal(await ask('--resolve', `localhost:${ports.l}:${HOST}`, ...direct), 'hello');
  assert.equal(await ask(`http://${HOST}:${ports.outer}/`), 'hello');
  const told = (await proxy.sessions('l')).map(({ metadata }) => metadata.TCP.dst_port);
  assert.deepEqual(told.sort(), [front, ports.l, ports.outer].sort());
});

// -------------------------------------------------------------------- datagrams

/** A server that says in its log who has asked; on the second port it wants to be told. */
async function startUnbound(t: TestContext, { plain, announced }: { plain: number; announced: number }) {
  const config = [
    'server:',
    '  do-daemonize: no\n  use-syslog: no\n  logfile: ""\n  username: ""\n  chroot: ""\n  pidfile: ""',
    '  directory: "FOLDER"\n  num-threads: 1\n  module-config: "iterator"\n  log-queries: yes',
    '  access-control: 0.0.0.0/0 allow\n  access-control: ::/0 allow',
    `  interface: ${HOST}@${plain}\n  interface: ${HOST}@${announced}\n  proxy-protocol-port: ${announced}`,
    '  local-zone: "test." static\n  local-data: "host.test. A 10.1.2.3"',
    'remote-control:\n  control-enable: no\n',
  ];
  const command = await startProgram(t, 'unbound', config.join('\n'), (file) => ['-d', '-c', file]);
  await listens(plain, command);
  return command;
}

const ANSWERED = /status: NOERROR[\s\S]*host\.test\.\s+\d+\s+IN\s+A\s+10\.1\.2\.3/;

const dig = (port: number, ...args: string[]) =>
  run('dig', [`@${HOST}`, '-p', String(port), '+time=5', '+tries=3', ...args, 'host.test']);

const toUnbound = (protocol: string, port: number) => ({
  destination: { spec: { protocol, port, proxy_protocol: 'v2' }, endpoints: [{ spec: { address: HOST } }] },
});

test('unbound is told by each datagram, and by each connection, for whom it is', async (t) => {
  const [plain, announced] = [await freePort(), await freePort()];
  const unbound = await startUnbound(t, { plain, announced });
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      ['UDP', '192.0.2.7'],
      ['TCP', '2001:db8::7'],
    ].map(([protocol = '', client = '']) => ({
      name: protocol,
      spec: { protocol, port: l, address: HOST },
      rules: [
        { action: { rewrite: [{ path: '/IP/src_addr', value: client }], route: toUnbound(protocol, announced) } },
      ],
    })),
  }));
  assert.match(await dig(ports.l, '+notcp'), ANSWERED);
  assert.match(await dig(ports.l, '+tcp'), ANSWERED);
  for (const client of ['192.0.2.7', '2001:db8::7']) {
    await until(() => unbound.output.includes(`${client} host.test. A IN`), `a query of ${client}`);
  }
  assert.ok(!unbound.output.includes(`${HOST} host.test.`));
});

test('dnsdist says for whom a query is, by UDP and by TCP, and gets its answers', async (t) => {
  const [plain, announced, front] = [await freePort(), await freePort(), await freePort()];
  const unbound = await startUnbound(t, { plain, announced });
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: (['UDP', 'TCP'] as const).map((protocol) =>
      listener(protocol, { protocol, port: l, address: HOST, proxy_protocol: true }, toUnbound(protocol, announced), {
        options: { track: 60 },
      }),
    ),
  }));
  const config = [
    `setLocal("${HOST}:${front}")`,
    'setSecurityPollSuffix("")',
    `newServer({address="${HOST}:${ports.l}", useProxyProtocol=true}):setUp()`,
  ];
  const args = (file: string) => ['--supervised', '--disable-syslog', '-C', file];
  await listens(front, await startProgram(t, 'dnsdist', `${config.join('\n')}\n`, args));
  for (const [protocol, by] of [
    ['UDP', '+notcp'],
    ['TCP', '+tcp'],
  ] as const) {
    const from = await freePort();
    assert.match(await dig(front, by, '-b', `${HOST}#${from}`), ANSWERED);
    const found = (await proxy.sessions(protocol)).map(({ metadata }) => metadata[protocol]);
    assert.deepEqual(found, [{ src_port: from, dst_port: front }]);
  }
  await until(() => unbound.output.split(`${HOST} host.test. A IN`).length > 2, 'two queries');
});
