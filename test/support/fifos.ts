/** Peers on FIFOs, which have them open as l7mp has: nobody's coming and going is told. */
import { execFileSync } from 'node:child_process';
import { constants, existsSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Peer, type Server, type ServerOptions, serve } from './peers.ts';

/** What is written to, and what is read. */
export interface FifoPaths {
  readonly write: string;
  readonly read: string;
}

export function connectFifos(t: TestContext, { write, read }: FifoPaths): Peer {
  const open = (path: string, readable: boolean): Socket => {
    if (!existsSync(path)) execFileSync('mkfifo', [path]);
    const socket = new Socket({
      fd: openSync(path, constants.O_RDWR | constants.O_NONBLOCK),
      readable,
      writable: !readable,
    });
    t.after(() => socket.destroy());
    return socket.on('error', () => {});
  };
  const [writer, reader] = [open(write, false), open(read, true)];
  const close = (): void => {
    peer.closed ??= 'end';
    writer.destroy();
    reader.destroy();
  };
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port: 0,
    send: (data) => writer.write(data),
    end: () => {},
    close,
    reset: close,
    pause: (paused) => void (paused ? reader.pause() : reader.resume()),
  };
  reader.on('data', (data: Buffer) => peer.messages.push(data));
  return peer;
}

export function serveFifos(t: TestContext, paths: FifoPaths, options: ServerOptions): Server {
  const peer = serve(connectFifos(t, paths), options);
  return { port: 0, peers: [peer], stop: async () => peer.close() };
}
