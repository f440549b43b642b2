/** What the protocols on sockets of messages have in common. */
import type { Engine, MessageSockets } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';

/**
 * The engine's sockets of messages. Throws E_UNSUPPORTED where it has none.
 *
 * @example messagesOf('SCTP', host.io).listen(address, acceptor, host.gathering),
 */
export function messagesOf(protocol: string, io: Engine): MessageSockets {
  if (io.messages) return io.messages;
  throw new L7mpError('E_UNSUPPORTED', `${protocol} needs native I/O, and this proxy runs on that of ${io.name}`);
}
