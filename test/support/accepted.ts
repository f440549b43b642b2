/** What a session does with the channel that a listener has accepted, without one. */
import type { Channel, CloseReason, Tail } from '../../src/core/channel.ts';
import { Collector } from '../../src/testing/collector.ts';
import { until } from '../../src/testing/until.ts';

/** A session that stands, and reads. */
export function standing(channel: Channel): Collector {
  const session = new Collector(channel);
  channel.routed();
  channel.accept();
  return session.read();
}

/** A session with an echo behind it: what comes goes back, the end too. */
export function echoing(channel: Channel): void {
  channel.routed();
  channel.accept();
  channel.writer = { drained: () => channel.resume() };
  channel.read({
    message: (bytes, attributes, owned) => {
      if (!channel.write(bytes, attributes, owned)) channel.pause();
    },
    end: (tail) => {
      channel.end(tail);
      channel.close({ kind: 'end', message: 'both sides have ended' });
    },
  });
}

/** Waits until the peer has ended its direction. */
export async function ended(session: Collector): Promise<Tail | undefined> {
  await until(() => session.ends > 0, 'the end');
  return session.tail;
}

/** Waits until the channel is closed by its peer. */
export async function closed(session: Collector): Promise<CloseReason> {
  return until(() => session.closings[0], 'the close');
}

/** Waits for so many messages, and gives all there are. */
export async function texts(session: Collector, count: number): Promise<string[]> {
  await until(() => session.messages.length >= count, `${count} messages`);
  return session.texts;
}
