/** Sockets that listen for messages, for who shares them out. */
import type { MessageAddress } from '../../../core/engine.ts';
import type { BoundSocket } from '../../binder.ts';
import { bindError } from '../../node/stream.ts';
import { addressToBind } from '../../resolve.ts';
import { removeFile, socketFile } from '../../unix-path.ts';
import { bindPath } from '../listen-path.ts';
import { libc } from '../system/libc.ts';
import { SocketError } from '../system/sockets.ts';
import * as packet from './packet/socket.ts';
import * as sctp from './sctp/socket.ts';
import * as unix from './unix/socket.ts';

/**
 * A socket that listens for messages, which `release` closes. Rejects with E_BIND, or E_UNSUPPORTED. `takeover`: a UNIX socket
 * also where another process of this user listens.
 */
export async function bindMessages(at: MessageAddress, takeover = false): Promise<BoundSocket> {
  const fd = await open(at, takeover).catch((error: unknown) => {
    throw error instanceof SocketError ? bindError(at, error) : error;
  });
  const file = at.type === 'unix' ? socketFile(at.path) : undefined;
  let released = false;
  return {
    fd,
    // What has no connections cannot be shared: whoever has sent something belongs to one of them.
    ...(hasConnections(at) ? {} : { listen: 'alone' }),
    release: async () => {
      if (released) return;
      released = true;
      removeFile(file);
      libc().close(fd);
    },
  };
}

function hasConnections(at: MessageAddress): boolean {
  return at.type === 'sctp' || (at.type === 'unix' && at.kind === 'seqpacket');
}

async function open(at: MessageAddress, takeover: boolean): Promise<number> {
  if (at.type === 'unix')
    return bindPath(at.path, { takeover, sends: at.kind === 'dgram' }, (path) => unix.listenAt(at, path));
  if (at.type === 'packet') return packet.open(at);
  const host = await addressToBind(at);
  const hosts = await Promise.all((at.hosts ?? []).map((one) => addressToBind({ host: one, port: at.port })));
  return sctp.listen({ ...at, host, hosts });
}
