import { sessionOf } from '../../core/attempt.ts';
import { type QueueLimits, TEXT } from '../../core/channel.ts';
import { LocalChannel } from '../../core/local-channel.ts';
import type { Metadata } from '../../core/metadata.ts';
import { defineProtocol } from '../../core/protocol.ts';

class EncapChannel extends LocalChannel {
  /** All of the text before the payload: metadata is settled before a session's stages are dialled. */
  readonly #before: string;

  constructor(metadata: Metadata, limits: QueueLimits) {
    super(limits);
    this.#before = `{"metadata":${JSON.stringify(metadata)},"payload":"`;
  }

  protected override work(bytes: Uint8Array): void {
    const payload = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    this.deliver(Buffer.from(`${this.#before}${payload}"}`), TEXT);
  }
}

export const jsonEncap = defineProtocol({
  name: 'JSONEncap',
  title: 'Wraps each message into JSON: {"metadata": <the session\'s metadata>, "payload": <base64>}.',
  cluster: {
    schema: ({ strict }) => strict({}),
    kind: 'datagram',
    virtual: true,
    open: (_spec, { limits }) => ({ dial: (attempt) => new EncapChannel(sessionOf(attempt).metadata, limits) }),
  },
});
