/**
 * What others notice while one host attacks: starts this checkout's l7mp, keeps a UDP and a TCP flow and the REST API going
 * from a process of its own, and plays one attack after the other. Prints for each the longest wait of each flow and of the
 * API, in milliseconds, answers of the API that were none, and how much resident memory has grown, in MB.
 * Usage: node_modules/.bin/node bench/attacks.ts
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../src/testing/ports.ts';
import { residentOf } from './harness/proc.ts';
import type { Ports, Waits } from './load/bystander.ts';

const HOST = '127.0.0.1';
const ROOT = join(import.meta.dirname, '..');
const MIB = 1 << 20;
/** Before an attack, and after it: what it has left behind (sessions that expire) is a part of it. */
const SETTLE_TIME = 1500;

const HANDSHAKE = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
].join('\r\n');

const at = (protocol: string, port: number) => ({ protocol, port, address: HOST });

function listener(name: string, spec: object, destination: object, options: object = {}): object {
  return { name, spec, rules: [{ action: { route: { destination } } }], options };
}

function configOf(ports: Ports): object {
  const to = (protocol: string, port: number) => ({
    spec: { protocol, port },
    endpoints: [{ spec: { address: HOST } }],
  });
  const brief = { idle_timeout: 1000 };
  return {
    admin: { log_level: 'error' },
    listeners: [
      listener('api', at('HTTP', ports.api), { spec: { protocol: 'L7mpController' } }),
      listener('udp', at('UDP', ports.udp), to('UDP', ports.udpEcho), brief),
      listener('flood', at('UDP', ports.flood), { spec: { protocol: 'Discard' } }, brief),
      listener('tcp', at('TCP', ports.tcp), to('TCP', ports.tcpEcho)),
      listener('http', at('HTTP', ports.http), to('TCP', ports.tcpEcho)),
      listener('websocket', at('WebSocket', ports.websocket), { spec: { protocol: 'Discard' } }),
      listener(
        'layer',
        { protocol: 'JSONSocket', transport: at('TCP', ports.layer) },
        { spec: { protocol: 'Discard' } },
      ),
      listener('loop', at('UDP', ports.loop), to('UDP', ports.loop), brief),
    ],
  };
}

// -------------------------------------------------------------------- attacks

type Attack = (ports: Ports) => Promise<void>;

const ATTACKS: Readonly<Record<string, Attack>> = {
  nothing: () => sleep(2000),
  'datagrams from 4,000 ports of one host, which expire': async ({ flood }) => {
    const sockets: dgram.Socket[] = [];
    for (let n = 0; n < 4000; n++) {
      const socket = dgram.createSocket('udp4').on('error', () => {});
      socket.send('x', flood, HOST);
      sockets.push(socket);
      if (n % 100 === 0) await sleep(1);
    }
    await sleep(500);
    for (const socket of sockets) socket.close();
  },
  'three bodies of 1 MB in chunks of one byte to the API': async ({ api }) => {
    await Promise.all([1, 2, 3].map(() => chunked(api, MIB)));
  },
  '81 KB of pipelined requests on one connection': async ({ http: port }) => {
    const socket = connect(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3000));
    await sleep(2000);
    socket.destroy();
  },
  '1,000 silent connections to a layer': async ({ layer }) => {
    const sockets = Array.from({ length: 1000 }, () => connect(layer));
    await sleep(2000);
    for (const socket of sockets) socket.destroy();
  },
  '40 WebSocket messages of 1 MiB that are not finished': async ({ websocket }) => {
    const sockets = Array.from({ length: 40 }, () => connect(websocket));
    for (const socket of sockets) {
      socket.write(HANDSHAKE);
      const head = Buffer.from([0x02, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);
      socket.write(Buffer.concat([head, Buffer.alloc(MIB)]));
    }
    await sleep(2000);
    for (const socket of sockets) socket.destroy();
  },
  '70 sessions with headers of 14 KiB in deep lists, listed in every layout': async ({ layer, api }) => {
    const nested = `{"JSONSocketVersion":1,"x":${'['.repeat(60)}${'1,'.repeat(6900)}1${']'.repeat(60)}}\n`;
    const sockets = Array.from({ length: 70 }, () => connect(layer));
    for (const socket of sockets) socket.write(nested);
    await sleep(500);
    for (const format of ['plain', 'terse', 'space', 'lines', 'diffy']) await get(api, `sessions?format=${format}`);
    for (const socket of sockets) socket.destroy();
  },
  '1 MB of YAML': async ({ api }) => {
    await post(api, 'text/yaml', `rulelist:\n  name: x\n  rules:\n${'    - a\n'.repeat(110_000)}`);
  },
  'one datagram to a listener that routes to itself': async ({ loop }) => {
    const socket = dgram.createSocket('udp4').on('error', () => {});
    socket.send('x', loop, HOST);
    await sleep(3000);
    socket.close();
  },
};

function connect(port: number): net.Socket {
  return net.connect(port, HOST).on('error', () => {});
}

async function chunked(port: number, size: number): Promise<void> {
  const socket = connect(port);
  socket.write('POST /api/v1/rules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n');
  socket.write('Transfer-Encoding: chunked\r\n\r\n');
  const slice = '1\r\nx\r\n'.repeat(4096);
  for (let n = 0; n < size && !socket.destroyed; n += 4096) {
    if (!socket.write(slice)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
  socket.destroy();
}

function get(port: number, path: string): Promise<void> {
  return ask(http.request({ host: HOST, port, path: `/api/v1/${path}`, agent: false }));
}

function post(port: number, type: string, body: string): Promise<void> {
  const headers = { 'content-type': type };
  return ask(
    http.request({ host: HOST, port, path: '/api/v1/rulelists', method: 'POST', headers, agent: false }),
    body,
  );
}

function ask(request: http.ClientRequest, body = ''): Promise<void> {
  return new Promise((done) => {
    request.on('response', (response) => response.resume().once('close', () => done()));
    request.on('error', () => done()).end(body);
  });
}

// -------------------------------------------------------------------- the run

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-attacks-'));
  const ports = await choosePorts();
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(configOf(ports)));
  const proxy = spawn(join(ROOT, 'bin', 'l7mp'), ['-c', file], { stdio: 'inherit' });
  const bystander = fork(join(import.meta.dirname, 'load', 'bystander.ts'), [JSON.stringify(ports)]);
  try {
    await once(bystander, 'message');
    for (const [name, attack] of Object.entries(ATTACKS)) await play(name, attack, ports, proxy, bystander);
  } finally {
    bystander.kill();
    proxy.kill();
    rmSync(folder, { recursive: true });
  }
}

async function choosePorts(): Promise<Ports> {
  const names = ['api', 'udp', 'flood', 'tcp', 'http', 'websocket', 'layer', 'loop', 'udpEcho', 'tcpEcho'] as const;
  const entries = [];
  for (const name of names) entries.push([name, await freePort()] as const);
  return Object.fromEntries(entries) as unknown as Ports;
}

async function play(
  name: string,
  attack: Attack,
  ports: Ports,
  proxy: ChildProcess,
  bystander: ChildProcess,
): Promise<void> {
  await sleep(SETTLE_TIME);
  await waits(bystander);
  const before = residentOf([proxy.pid as number]);
  await attack(ports);
  await sleep(SETTLE_TIME);
  const { udp, tcp, api, failures, lost } = await waits(bystander);
  const grown = ((residentOf([proxy.pid as number]) - before) * 1024) / 1e6;
  const figures = [udp, tcp, api].map((wait) => wait.toFixed(0).padStart(6)).join('');
  console.log(
    `${figures} ${String(failures).padStart(4)} ${String(lost).padStart(4)} ${grown.toFixed(0).padStart(5)}  ${name}`,
  );
}

/** The longest since they were last asked for. */
async function waits(bystander: ChildProcess): Promise<Waits> {
  bystander.send('report');
  const [waits] = await once(bystander, 'message');
  return waits as Waits;
}

console.log('   UDP   TCP   API fail lost    MB  while there is');
await main();
