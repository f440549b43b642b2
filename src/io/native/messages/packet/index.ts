import type {
  Acceptor,
  MessageOptions,
  PacketAddress,
  SocketChannel,
  SocketListening,
} from '../../../../core/engine.ts';
import { connectError } from '../../../connect-error.ts';
import { libc } from '../../system/libc.ts';
import type { MessageHub } from '../hub.ts';
import { PacketPort } from './port.ts';
import { open, parseMac } from './socket.ts';

/** Listens on a link. What is there has a session from the beginning where correspondents are not told apart. */
export async function listen(hub: MessageHub, at: PacketAddress, acceptor: Acceptor): Promise<SocketListening> {
  const bound = await hub.context.binder.bindMessages(at);
  if (bound.listen === 'elsewhere') return { close: () => bound.release() };
  let released: Promise<void> | undefined;
  const release = (): Promise<void> => {
    released ??= bound.release();
    return released;
  };
  const port = new PacketPort(hub, bound.fd, at, { acceptor, release: () => void release() });
  if (at.mode === 'raw' && acceptor.admit({ address: '', port: 0 })) acceptor.accept(port.emit(acceptor.limits));
  return {
    close: async () => {
      port.retire();
      await released;
    },
  };
}

/** A socket on a link, for one session. Throws E_CONNECT or E_LIMIT. */
export function connect(hub: MessageHub, to: PacketAddress, { limits }: MessageOptions): SocketChannel {
  const { connections, loop } = hub.context;
  const where = to.peer ? `${to.peer} on ${to.interface}` : to.interface;
  let fd = -1;
  try {
    fd = open(to);
    connections.reserve(fd);
  } catch (error) {
    if (fd >= 0) libc().close(fd);
    throw connectError(where, error as Error);
  }
  loop.own(fd);
  const port = new PacketPort(hub, fd, to, {
    release: () => {
      connections.give();
      loop.close(fd);
    },
  });
  const peer = port.emit(limits, to.peer === undefined ? undefined : parseMac(to.peer));
  port.retire();
  return peer;
}
