import type {
  Acceptor,
  MessageOptions,
  SocketChannel,
  SocketListening,
  UnixMessageAddress,
} from '../../../../core/engine.ts';
import type { Attempt } from '../../../../core/protocol.ts';
import { Connecting } from '../../streams/connect.ts';
import { ConnectionListener } from '../../streams/listen.ts';
import type { MessageHub } from '../hub.ts';
import { UnixMessageChannel } from './channel.ts';
import { UnixPort } from './port.ts';
import { autobind, open } from './socket.ts';

/** Listens at a path or an abstract name. Rejects with E_BIND. */
export async function listen(hub: MessageHub, at: UnixMessageAddress, acceptor: Acceptor): Promise<SocketListening> {
  const bound = await hub.context.binder.bindMessages(at);
  if (bound.listen === 'elsewhere') return { close: () => bound.release() };
  if (at.kind === 'seqpacket') {
    const traits = { path: true, address: hub.address, acceptor };
    return new ConnectionListener(
      hub,
      bound,
      traits,
      (fd) => new UnixMessageChannel(hub, fd, acceptor.limits, 'seqpacket', { acceptor }),
    );
  }
  let released: Promise<void> | undefined;
  const port = new UnixPort(hub, bound.fd, acceptor, () => {
    released ??= bound.release();
  });
  return {
    close: async () => {
      port.retire();
      await released;
    },
  };
}

/** Throws, or rejects with, E_CONNECT or E_LIMIT. */
export function connect(
  hub: MessageHub,
  to: UnixMessageAddress,
  attempt: Attempt,
  { limits }: MessageOptions,
): SocketChannel | Promise<SocketChannel> {
  const dialect = {
    open: () => {
      const fd = open(to.kind);
      if (to.kind === 'dgram') autobind(fd);
      return fd;
    },
    prepare: () => {},
    connect: () => 0,
    channel: (fd: number) => new UnixMessageChannel(hub, fd, limits, to.kind),
  };
  return new Connecting(hub, dialect, { to, attempt, limits }).run();
}
