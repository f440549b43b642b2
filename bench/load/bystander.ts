/** A UDP flow, a TCP flow and the REST API as somebody uses them who has nothing to do with what else goes on; run by attacks.ts. */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const HOST = '127.0.0.1';
/** Milliseconds between two questions of a flow, and of the API. */
const PAUSE = 5;
const API_PAUSE = 50;
/** Milliseconds after which a datagram is lost. */
const PATIENCE = 1000;

/** Where the proxy listens, and where the flows end. */
export interface Ports {
  readonly api: number;
  readonly udp: number;
  readonly flood: number;
  readonly tcp: number;
  readonly http: number;
  readonly websocket: number;
  readonly layer: number;
  readonly loop: number;
  readonly udpEcho: number;
  readonly tcpEcho: number;
}

/** The longest waits in milliseconds, answers of the API other than 200, and datagrams without an answer. */
export interface Waits {
  udp: number;
  tcp: number;
  api: number;
  failures: number;
  lost: number;
}

const NONE: Waits = { udp: 0, tcp: 0, api: 0, failures: 0, lost: 0 };
const ports = JSON.parse(process.argv[2] as string) as Ports;
let waits = { ...NONE };

async function serve(): Promise<void> {
  const udp = dgram.createSocket('udp4').bind(ports.udpEcho, HOST);
  udp.on('message', (bytes, from) => udp.send(bytes, from.port, from.address));
  const tcp = net.createServer((socket) => void socket.on('error', () => {}).pipe(socket));
  tcp.listen(ports.tcpEcho, HOST);
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
}

async function udpFlow(): Promise<never> {
  const socket = dgram.createSocket('udp4').on('error', () => {});
  for (;;) {
    const began = performance.now();
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE) });
    socket.send('question', ports.udp, HOST);
    await answer.catch(() => waits.lost++);
    waits.udp = Math.max(waits.udp, performance.now() - began);
    await sleep(PAUSE);
  }
}

async function tcpFlow(): Promise<never> {
  const socket = net.connect(ports.tcp, HOST);
  socket.setNoDelay();
  for (;;) {
    const began = performance.now();
    socket.write('question');
    await once(socket, 'data');
    waits.tcp = Math.max(waits.tcp, performance.now() - began);
    await sleep(PAUSE);
  }
}

async function apiFlow(): Promise<never> {
  for (;;) {
    const began = performance.now();
    if ((await status()) !== 200) waits.failures++;
    waits.api = Math.max(waits.api, performance.now() - began);
    await sleep(API_PAUSE);
  }
}

function status(path = '/api/v1/admin'): Promise<number | undefined> {
  return new Promise((done) => {
    const request = http.get({ host: HOST, port: ports.api, path, agent: false }, (response) =>
      response.resume().once('end', () => done(response.statusCode)),
    );
    request.on('error', () => done(undefined));
  });
}

process.on('message', () => {
  process.send?.(waits);
  waits = { ...NONE };
});
await serve();
while ((await status('/readyz')) !== 200) await sleep(PAUSE);
void udpFlow();
void tcpFlow();
void apiFlow();
process.send?.('ready');
