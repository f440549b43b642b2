/** Sockets that listen for messages, for who shares them out. */
import type { MessageAddress } from '../../../core/engine.ts';
import type { BoundSocket } from '../../binder.ts';
import { bindError } from '../../node/stream.ts';
import { addressToBind } from '../../resolve.ts';
import { libc } from '../system/libc.ts';
import { SocketError } from '../system/sockets.ts';
import * as packet from './packet/socket.ts';
import * as sctp from './sctp/socket.ts';

/** A socket that listens for messages, which `release` closes. Rejects with E_BIND, or E_UNSUPPORTED. */
export async function bindMessages(at: MessageAddress): Promise<BoundSocket> {
  const fd = await open(at).catch((error: unknown) => {
    throw error instanceof SocketError ? bindError(at, error) : error;
  });
  let released = false;
  return {
    fd,
    // What has no connections cannot be shared: each frame would come to all of them.
    ...(at.type === 'packet' && { listen: 'alone' }),
    release: async () => {
      if (!released) libc().close(fd);
      released = true;
    },
  };
}

async function open(at: MessageAddress): Promise<number> {
  if (at.type === 'packet') return packet.open(at);
  const host = await addressToBind(at);
  const hosts = await Promise.all((at.hosts ?? []).map((one) => addressToBind({ host: one, port: at.port })));
  return sctp.listen({ ...at, host, hosts });
}
