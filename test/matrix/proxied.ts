/** The PROXY protocol of version 2 in front of what others say: in front of a connection, or of each datagram. */
import { ipv4, version2 } from '../../src/layers/proxy-protocol/testing.ts';
import { bytes, type Peer, type ServerOptions } from '../support/peers.ts';
import type { Kind } from './jsonsocket.ts';
import type { Source } from './sources.ts';

/** Of a header, before its addresses; behind it stands how long they are. */
const HEAD = 16;
/** Bytes of its addresses and ports, of IPv4. */
export const ADDRESSES = 12;
export const HEADER = HEAD + ADDRESSES;

/** Whom the clients announce: with their own port, since sessions are told apart by that. */
const CLIENT = '192.0.2.1';
const SERVICE = '192.0.2.2';

/** A source whose clients say that they stand for somebody else. */
export function announced(source: Source, protocol: 'TCP' | 'UDP'): Source {
  const header = (port: number) =>
    version2({ family: protocol === 'TCP' ? 0x11 : 0x12, addresses: ipv4(CLIENT, port, SERVICE, 80) });
  return {
    ...source,
    name: `PROXY over ${source.name}`,
    spec: (place) => ({ ...source.spec(place), proxy_protocol: true }),
    connect: async (t, place) => {
      const peer = await source.connect(t, place);
      if (source.kind === 'datagram') return inFrontOfEach(peer, header(peer.port));
      peer.send(header(peer.port));
      return peer;
    },
    session: (_place, port) => ({
      name: new RegExp(`^${protocol}:192\\.0\\.2\\.1:${port}-192\\.0\\.2\\.2:80${protocol === 'UDP' ? '-\\d+' : ''}$`),
      metadata: {
        IP: { src_addr: CLIENT, dst_addr: SERVICE },
        [protocol]: { src_port: port, dst_port: 80 },
        PROXY: { version: 2, src_addr: CLIENT, dst_addr: SERVICE },
      },
    }),
    largest: source.largest - (source.kind === 'datagram' ? HEADER : 0),
    // Answers go back without one.
    takes: source.largest,
  };
}

function inFrontOfEach(peer: Peer, header: Buffer): Peer {
  const send = peer.send.bind(peer);
  peer.send = (data) => send(Buffer.concat([header, Buffer.from(data as string)]));
  return peer;
}

/** Makes a server's options those of one that takes headers off: they are not among its peers' messages. */
export function takingOff(kind: Kind, { reply = (data) => data, ...options }: ServerOptions): ServerOptions {
  const begun = new WeakSet<Peer>();
  const ofStream: ServerOptions['reply'] = (data, peer) => {
    if (begun.has(peer)) return reply(data, peer);
    const all = bytes(peer);
    const length = lengthOf(all);
    if (all.length < length) return undefined;
    begun.add(peer);
    peer.messages.length = 0;
    // What follows in the same piece is put back, and is answered then.
    if (all.length > length) peer.messages.push(all.subarray(length));
    return undefined;
  };
  const ofDatagrams: ServerOptions['reply'] = (data, peer) => {
    const message = data.subarray(lengthOf(data));
    peer.messages[peer.messages.length - 1] = message;
    return reply(message, peer);
  };
  return { ...options, reply: kind === 'stream' ? ofStream : ofDatagrams };
}

function lengthOf(header: Buffer): number {
  return header.length < HEAD ? HEAD : HEAD + header.readUInt16BE(HEAD - 2);
}
