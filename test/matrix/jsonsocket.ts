/** Both ends of JSONSocket, on any peer. */
import assert from 'node:assert/strict';
import { until } from '../../src/testing/until.ts';
import { bytes, type Peer, type ServerOptions } from '../support/peers.ts';

export type Kind = 'datagram' | 'stream';

const LF = 0x0a;
const OK = { JSONSocketVersion: 1, JSONSocketStatus: 200, JSONSocketMessage: 'OK' };

export const encode = (header: object, kind: Kind) => JSON.stringify(header) + (kind === 'stream' ? '\n' : '');

/** The client's handshake. */
export async function greet<P extends Peer>(peer: P, kind: Kind, header: object): Promise<P> {
  peer.send(encode({ JSONSocketVersion: 1, ...header }, kind));
  const answer = await until(() => takeHeader(peer, kind), 'the answer to the header');
  assert.deepEqual(answer, OK);
  return peer;
}

/** Makes a server's options those of a JSONSocket server, whose peers have no headers among their messages. */
export function answering(kind: Kind, { reply = (data) => data, ...options }: ServerOptions): ServerOptions {
  const headers = new WeakMap<Peer, Buffer>();
  return {
    ...options,
    reply: (data, peer) => {
      const known = headers.get(peer);
      if (known && !isRepeated(known, data, peer, kind)) return reply(data, peer);
      // What follows the header in the same piece is put back, and is answered then.
      takeHeader(peer, kind, (header) => {
        headers.set(peer, header);
        peer.send(encode(OK, kind));
      });
      return undefined;
    },
  };
}

/** Whether it is the header again: a client repeats it where datagrams may be lost and the answer takes its time. */
function isRepeated(header: Buffer, data: Buffer, peer: Peer, kind: Kind): boolean {
  return kind === 'datagram' && peer.messages.length === 1 && data.equals(header);
}

/** Takes the header off what has come, once it is complete; what follows it is a message again. */
export function takeHeader(
  peer: Peer,
  kind: Kind,
  taken = (_header: Buffer) => {},
): Record<string, unknown> | undefined {
  const all = bytes(peer);
  const end = kind === 'datagram' ? all.length : all.indexOf(LF);
  if (peer.messages.length === 0 || end < 0) return undefined;
  peer.messages.length = 0;
  if (peer.text) peer.text.length = 0;
  taken(all.subarray(0, end));
  if (end + 1 < all.length) peer.messages.push(all.subarray(end + 1));
  return JSON.parse(all.toString('utf8', 0, end));
}
