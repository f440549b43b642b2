/** Peers by SCTP for the matrix, which are channels of an engine of their own. */
import type { TestContext } from 'node:test';
import { type Channel, DEFAULT_LIMITS } from '../../src/core/channel.ts';
import type { MessageSockets, SctpAddress } from '../../src/core/engine.ts';
import { GatheringLimit } from '../../src/core/gathering.ts';
import { createNativeEngine } from '../../src/io/native/index.ts';
import { acceptor, attempt } from '../../src/io/testing.ts';
import { freePort } from '../../src/testing/ports.ts';
import { type Peer, type Server, type ServerOptions, serve } from '../support/peers.ts';

const HOST = '127.0.0.1';

const at = (port: number): SctpAddress => ({
  type: 'sctp',
  host: HOST,
  port,
  streams: 10,
  noDelay: true,
  stream: 0,
  ppid: 0,
});

function messages(t: TestContext): MessageSockets {
  const engine = createNativeEngine();
  t.after(() => engine.close());
  return engine.messages as MessageSockets;
}

function peerOf(channel: Channel, port: number): Peer {
  const close = (kind: 'end' | 'reset'): void => {
    peer.closed ??= 'end';
    channel.close({ kind, message: 'closed by a test' });
  };
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port,
    send: (data) => void channel.write(new Uint8Array(Buffer.from(data as Uint8Array)), undefined, true),
    end: () => close('end'),
    close: () => close('end'),
    reset: () => close('reset'),
    pause: (paused) => (paused ? channel.pause() : channel.resume()),
  };
  channel.owner = {
    closed: (_channel, { kind }) => {
      peer.closed ??= kind;
    },
  };
  return peer;
}

/** Has it read what comes. */
function reading(channel: Channel, peer: Peer): Peer {
  channel.read({
    message: (bytes) => void peer.messages.push(Buffer.from(bytes)),
    end: () => {
      peer.ended = true;
    },
  });
  return peer;
}

export async function connectSctp(t: TestContext, port: number): Promise<Peer> {
  const options = { limits: DEFAULT_LIMITS, gathering: new GatheringLimit() };
  const channel = await messages(t).connect(at(port), attempt(), options);
  return reading(channel, peerOf(channel, channel.ends?.localPort ?? 0));
}

export async function serveSctp(t: TestContext, options: ServerOptions): Promise<Server> {
  const port = await freePort();
  const peers: Peer[] = [];
  const take = acceptor((channel) => {
    const peer = serve(peerOf(channel, port), options);
    peers.push(peer);
    reading(channel, peer);
  });
  const listening = await messages(t).listen(at(port), take, new GatheringLimit());
  return { port, peers, stop: () => listening.close() };
}
