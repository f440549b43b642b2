import { isUtf8 } from 'node:buffer';
import { LocalChannel } from '../../core/local-channel.ts';
import { defineProtocol } from '../../core/protocol.ts';

class DecapChannel extends LocalChannel {
  protected override work(bytes: Uint8Array): void {
    const payload = payloadOf(bytes);
    if (payload) this.deliver(payload);
    else this.drop('invalid');
  }
}

/** What JSONEncap has wrapped; undefined where the message is not of its making. Members that it does not know are let be. */
function payloadOf(bytes: Uint8Array): Uint8Array | undefined {
  // A decoder would put U+FFFD for what is no UTF-8, and go on.
  if (!isUtf8(bytes)) return undefined;
  let message: unknown;
  try {
    message = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    return undefined;
  }
  if (!isObject(message) || !isObject(message.metadata)) return undefined;
  const payload = message.payload;
  return typeof payload === 'string' ? fromBase64(payload) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** node decodes what it can and skips the rest: only what comes out again as it went in was base64 (RFC 4648 section 4). */
function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

export const jsonDecap = defineProtocol({
  name: 'JSONDecap',
  title: 'Undoes JSONEncap; what is no such JSON is dropped and counted.',
  cluster: {
    schema: ({ strict }) => strict({}),
    kind: 'datagram',
    virtual: true,
    open: (_spec, { limits }) => ({ dial: () => new DecapChannel(limits) }),
  },
});
