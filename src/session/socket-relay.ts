import type { Channel } from '../core/channel.ts';
import type { Engine, Relay, SocketChannel } from '../core/engine.ts';

/** A relay of the engine's between the sockets of two channels. */
export interface SocketRelay extends Relay {
  /** Brings the counters of layers, which hear nothing of what passes below them, up to date. */
  refresh?(): void;
}

/** Joins two channels, if nothing has to be done between their sockets. `mends`: as the engine has it. */
export function joinSockets(io: Engine, source: Channel, sink: Channel, mends: boolean): SocketRelay | undefined {
  const [a, b] = [source.socket, sink.socket];
  if (!a || !b || isBusy(source, a) || isBusy(sink, b)) return undefined;
  const layers = source === a && sink === b ? undefined : [new LayerCounts(source, a), new LayerCounts(sink, b)];
  const relay = io.relay?.(a, b, mends);
  return relay && layers ? new LayeredRelay(relay, layers) : relay;
}

/** A layer has something itself that must be first, or keeps messages for itself by how they begin. */
function isBusy(channel: Channel, socket: SocketChannel): boolean {
  return channel !== socket && (channel.queued > 0 || channel.full || channel.kept !== undefined);
}

class LayeredRelay implements SocketRelay {
  readonly #relay: Relay;
  readonly #layers: readonly LayerCounts[];

  constructor(relay: Relay, layers: readonly LayerCounts[]) {
    this.#relay = relay;
    this.#layers = layers;
  }

  lastActive(): number {
    return this.#relay.lastActive();
  }

  refresh(): void {
    for (const layer of this.#layers) layer.refresh();
  }

  part(): void {
    this.refresh();
    this.#relay.part();
  }
}

/** What passes the socket of a layer while that is joined, counted as if the layer had seen it. */
class LayerCounts {
  readonly #layer: Channel;
  readonly #socket: SocketChannel;
  #bytesIn = 0;
  #bytesOut = 0;
  #messagesIn = 0;
  #messagesOut = 0;

  constructor(layer: Channel, socket: SocketChannel) {
    this.#layer = layer;
    this.#socket = socket;
    socket.refresh();
    this.#note();
  }

  refresh(): void {
    if (this.#layer === this.#socket) return;
    const [layer, socket] = [this.#layer, this.#socket];
    socket.refresh();
    layer.bytesIn += socket.bytesIn - this.#bytesIn;
    layer.bytesOut += socket.bytesOut - this.#bytesOut;
    layer.messagesIn += socket.messagesIn - this.#messagesIn;
    layer.messagesOut += socket.messagesOut - this.#messagesOut;
    this.#note();
  }

  #note(): void {
    const { bytesIn, bytesOut, messagesIn, messagesOut } = this.#socket;
    this.#bytesIn = bytesIn;
    this.#bytesOut = bytesOut;
    this.#messagesIn = messagesIn;
    this.#messagesOut = messagesOut;
  }
}
