/** The sockets of an engine that keep messages apart, beside UDP's. */
import { AttributeTable } from '../../../core/attributes.ts';
import type {
  Acceptor,
  Ends,
  MessageAddress,
  MessageOptions,
  MessageSockets,
  SctpAddress,
  SocketChannel,
  SocketListening,
} from '../../../core/engine.ts';
import type { GatheringLimit } from '../../../core/gathering.ts';
import type { Attempt } from '../../../core/protocol.ts';
import { Connecting } from '../streams/connect.ts';
import type { StreamHub } from '../streams/hub.ts';
import { ConnectionListener } from '../streams/listen.ts';
import { SO_SNDBUF, SOL_SOCKET } from '../system/constants.ts';
import { libc } from '../system/libc.ts';
import { option } from '../system/sockets.ts';
import { LARGEST, MessageHub } from './hub.ts';
import * as packet from './packet/index.ts';
import * as link from './packet/socket.ts';
import { SctpChannel, type SctpTraits } from './sctp/channel.ts';
import * as sctp from './sctp/socket.ts';
import * as unix from './unix/index.ts';

export class NativeMessages implements MessageSockets {
  readonly #hub: MessageHub;
  readonly #attributes = new AttributeTable();

  constructor(streams: StreamHub) {
    this.#hub = new MessageHub(streams);
  }

  check(at: MessageAddress): void {
    // Every kernel has UNIX sockets.
    if (at.type !== 'unix') libc().close(at.type === 'packet' ? link.open(at) : sctp.open(at));
  }

  listen(at: MessageAddress, acceptor: Acceptor, gathering: GatheringLimit): Promise<SocketListening> {
    if (at.type === 'packet') return packet.listen(this.#hub, at, acceptor);
    if (at.type === 'unix') return unix.listen(this.#hub, at, acceptor);
    return this.#listenSctp(at, acceptor, gathering);
  }

  connect(to: MessageAddress, attempt: Attempt, options: MessageOptions): SocketChannel | Promise<SocketChannel> {
    if (to.type === 'packet') return packet.connect(this.#hub, to, options);
    if (to.type === 'unix') return unix.connect(this.#hub, to, attempt, options);
    return this.#connectSctp(to, attempt, options);
  }

  async #listenSctp(at: SctpAddress, acceptor: Acceptor, gathering: GatheringLimit): Promise<SocketListening> {
    const hub = this.#hub;
    const bound = await hub.context.binder.bindMessages(at);
    const traits = traitsOf(at, bound.fd, gathering, new AttributeTable());
    const listening = { path: false, address: hub.address, acceptor };
    return new ConnectionListener(
      hub,
      bound,
      listening,
      (fd, ends) => new SctpChannel(hub, fd, acceptor.limits, ends as Ends, traits, { acceptor }),
    );
  }

  #connectSctp(to: SctpAddress, attempt: Attempt, { limits, bind, gathering }: MessageOptions) {
    const hub = this.#hub;
    const dialect = {
      open: (family: number) => sctp.open(to, family),
      prepare: () => {},
      connect: (fd: number, { host, port }: { host: string; port: number }) =>
        sctp.connect(fd, { host, port }, to.hosts),
      channel: (fd: number, _limits: unknown, ends: Ends | undefined, known: boolean) => {
        const traits = traitsOf(to, fd, gathering, this.#attributes);
        return new SctpChannel(hub, fd, limits, ends as Ends, traits, { known });
      },
    };
    return new Connecting(hub, dialect, { to, attempt, limits, bind }).run();
  }
}

function traitsOf(at: SctpAddress, fd: number, gathering: GatheringLimit, attributes: AttributeTable): SctpTraits {
  const largest = Math.min(LARGEST, option(fd, SOL_SOCKET, SO_SNDBUF));
  return { attributes, gathering, stream: at.stream, ppid: at.ppid, largest };
}
