import type { Channel } from '../core/channel.ts';
import type { SocketChannel } from '../core/engine.ts';
import type { Count, Offload, OffloadedFlow } from '../offload/engine.ts';

const NOTHING: Count = { packets: 0, bytes: 0 };

/** The datagrams of a session that the kernel forwards: they are counted as if its channels had seen them. */
export class KernelFlow {
  readonly #flow: OffloadedFlow;
  readonly #source: Channel;
  readonly #sink: Channel;
  #in = NOTHING;
  #out = NOTHING;

  private constructor(flow: OffloadedFlow, source: Channel, sink: Channel) {
    this.#flow = flow;
    this.#source = source;
    this.#sink = sink;
  }

  /** Offloads what passes between two channels, or says why it stays where it is. */
  static add(offload: Offload, source: Channel, sink: Channel): KernelFlow | string {
    if (!offload.on) return 'offload is off';
    const client = socketOf(source);
    const upstream = socketOf(sink);
    const [theirs, ours] = [client?.ends, upstream?.ends];
    if (!client || !theirs || !ours) return 'not two sockets for datagrams with nothing between them';
    if (client.wanders) return 'the client sends to several addresses of this machine';
    const result = offload.add({
      client: { address: theirs.remoteAddress, port: theirs.remotePort },
      listen: { address: client.answersFrom ?? theirs.localAddress, port: theirs.localPort },
      local: { address: ours.localAddress, port: ours.localPort },
      upstream: { address: ours.remoteAddress, port: ours.remotePort },
      ...(sink.kept && { kept: sink.kept }),
    });
    return result.refused === undefined ? new KernelFlow(result, source, sink) : result.refused;
  }

  /** On the clock of performance.now(). */
  get lastActive(): number {
    return this.#flow.counters().lastSeen;
  }

  /** Adds what has passed since the last time to the channels' counters. */
  refresh(): void {
    const { in: upstream, out: downstream } = this.#flow.counters();
    pass(this.#source, this.#sink, upstream, this.#in);
    pass(this.#sink, this.#source, downstream, this.#out);
    this.#in = upstream;
    this.#out = downstream;
  }

  /** Gives the packets back to the sockets: before either is closed. */
  remove(): void {
    this.#flow.remove();
    this.refresh();
  }
}

function socketOf(channel: Channel): SocketChannel | undefined {
  return channel.kind === 'datagram' ? channel.socket : undefined;
}

function pass(from: Channel, to: Channel, now: Count, before: Count): void {
  const packets = now.packets - before.packets;
  const bytes = now.bytes - before.bytes;
  from.messagesIn += packets;
  from.bytesIn += bytes;
  to.messagesOut += packets;
  to.bytesOut += bytes;
}
