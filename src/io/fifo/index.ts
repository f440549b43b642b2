/** The FIFOs of an engine, on streams of node's: none has a faster way. */
import type { CloseReason, QueueLimits } from '../../core/channel.ts';
import type { Connections } from '../../core/connections.ts';
import type { Acceptor, FifoAddress, SocketListening } from '../../core/engine.ts';
import type { Attempt } from '../../core/protocol.ts';
import type { Binder } from '../binder.ts';
import { bindFifos } from './bind.ts';
import type { FifoChannel } from './channel.ts';
import { connectFifos } from './connect.ts';
import { type FifoListener, listenFifos } from './listen.ts';

const CLOSED: CloseReason = { kind: 'shutdown', message: 'the engine is closed' };

export class Fifos {
  readonly #connections: Connections;
  readonly #binder: Binder | undefined;
  readonly #listening = new Set<FifoListener>();
  readonly #open = new Set<FifoChannel>();

  /** `binder`: who opens those that are listened on for all. */
  constructor(connections: Connections, binder: Binder | undefined) {
    this.#connections = connections;
    this.#binder = binder;
  }

  /** See `Engine.listenFifos`. */
  async listen(at: FifoAddress, acceptor: Acceptor): Promise<SocketListening> {
    const bound = await (this.#binder?.bindFifos?.(at) ?? bindFifos(at));
    if (bound.listen === 'elsewhere') return { close: () => bound.release() };
    try {
      const listening = listenFifos(at, bound, acceptor);
      this.#listening.add(listening);
      return {
        close: async () => {
          this.#listening.delete(listening);
          await listening.close();
        },
      };
    } catch (error) {
      await bound.release();
      throw error;
    }
  }

  /** See `Engine.connectFifos`. */
  connect(to: FifoAddress, attempt: Attempt, limits: QueueLimits): Promise<FifoChannel> {
    return connectFifos(to, attempt, limits, { connections: this.#connections, open: this.#open });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listening].map((listening) => listening.stop(CLOSED)));
    for (const channel of this.#open) channel.lose(CLOSED);
  }
}
