/** Sessions that end in every way there is, as their peers make them. */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as net from 'node:net';
import type { Dice } from '../support/random.ts';

export const HOST = '127.0.0.1';

/** Milliseconds after which a session that is not over is a failure, and after which a datagram is sent again. */
const PATIENCE = 60_000;
const RESEND = 500;

const ENDINGS = ['client end', 'client reset', 'early reset', 'nothing said', 'server end', 'server reset'] as const;
export type Ending = (typeof ENDINGS)[number] | 'deleted';

/** What a server does when a message is whole; the message begins with one of these, and its length. */
const ECHO = 'e';
const END = 'f';
const RESET = 'r';
const HEADER = 8;
const SIZES = [HEADER, 100, 1000, 5000, 100_000];
const MAX_DATAGRAM = 1200;

/** Half of its connections are closed by who asked for them: more addresses have more ports to wait in TIME_WAIT. */
const ADDRESSES = 200;

function message(dice: Dice, command: string, max = Number.POSITIVE_INFINITY): Buffer {
  const size = Math.min(dice.pick(SIZES), max);
  const bytes = Buffer.alloc(size, dice.below(256));
  bytes.write(command + String(size).padStart(HEADER - 1, '0'));
  return bytes;
}

const address = (dice: Dice): string => `127.0.0.${2 + dice.below(ADDRESSES)}`;

// -------------------------------------------------------------------- streams

/** Echoes, then does what the message says. */
export function serveStreams(): net.Server {
  return net.createServer({ allowHalfOpen: true }, (socket) => {
    let command = '';
    let left = 0;
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('data', (bytes: Buffer) => {
      if (command === '') {
        command = bytes.toString('latin1', 0, 1);
        left = Number(bytes.toString('latin1', 1, HEADER));
      }
      left -= bytes.length;
      socket.write(bytes);
      if (left > 0) return;
      if (command === END) socket.end();
      if (command === RESET) abort(socket);
    });
  });
}

/** A UNIX socket has no reset of its own. */
function abort(socket: net.Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

/** Opens a session, and returns when its client has seen the end of it. `remove` ends it by the API. */
export async function streamSession(
  dice: Dice,
  to: { port: number } | { path: string },
  remove?: (socket: net.Socket) => Promise<void>,
): Promise<Ending> {
  const tcp = 'port' in to ? { host: HOST, localAddress: address(dice) } : {};
  const socket = net.connect({ ...to, ...tcp, allowHalfOpen: true });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.setTimeout(PATIENCE, () => socket.destroy(new Error('nothing comes')));
  const ending = remove ? 'deleted' : dice.pick(ENDINGS);
  let failed: Error | undefined;
  socket.on('error', (error: NodeJS.ErrnoException) => {
    // Whose connection is reset is told so; when, is up to the race.
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') failed = error;
  });
  try {
    await once(socket, 'connect');
    await talk(dice, socket, ending, remove);
  } catch (error) {
    failed ??= error as Error;
  }
  if (failed) socket.destroy();
  await closed;
  if (failed) throw new Error(`${JSON.stringify(to)}, ${ending}: ${failed.message}`);
  return ending;
}

async function talk(
  dice: Dice,
  socket: net.Socket,
  ending: Ending,
  remove?: (socket: net.Socket) => Promise<void>,
): Promise<void> {
  socket.on('end', () => socket.end());
  if (ending === 'nothing said') {
    socket.resume().end();
    return;
  }
  const bytes = message(dice, ending === 'server end' ? END : ending === 'server reset' ? RESET : ECHO);
  socket.write(bytes);
  if (ending === 'early reset') {
    abort(socket);
  } else if (ending === 'server reset') {
    socket.resume();
  } else {
    await echoOf(socket, bytes);
    if (ending === 'client end') socket.end();
    if (ending === 'client reset') abort(socket);
    await remove?.(socket);
  }
}

function echoOf(socket: net.Socket, sent: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    socket.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      length += bytes.length;
      if (length < sent.length) return;
      if (Buffer.concat(parts).equals(sent)) resolve();
      else reject(new Error('what came back is not what was sent'));
    });
    socket.once('close', () => reject(new Error(`closed after ${length} of ${sent.length} bytes`)));
  });
}

// -------------------------------------------------------------------- datagrams

export function serveDatagrams(): dgram.Socket {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.on('message', (bytes, { port, address: host }) => socket.send(bytes, port, host));
  return socket;
}

/** Opens a session, which the proxy has to end: the client only goes away, maybe before an answer comes. */
export async function datagramSession(dice: Dice, port: number): Promise<void> {
  const socket = dgram.createSocket('udp4');
  socket.on('error', () => {});
  socket.bind({ address: address(dice) });
  await once(socket, 'listening');
  const bytes = message(dice, ECHO, MAX_DATAGRAM);
  const send = () => socket.send(bytes, port, HOST);
  send();
  const again = setInterval(send, RESEND);
  try {
    if (dice.chance(0.1)) return;
    const [echo] = await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE) });
    if (!bytes.equals(echo)) throw new Error('datagram: what came back is not what was sent');
  } finally {
    clearInterval(again);
    socket.close();
  }
}
