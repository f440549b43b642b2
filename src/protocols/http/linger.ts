import type { Duplex } from 'node:stream';

/** Milliseconds that a peer has to take what it is still owed, or to end what nobody wants any more. */
export const LINGER = 10_000;

/** Cuts a connection that is being ended, where its peer does not let it end. */
export function cutLater(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), LINGER);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
