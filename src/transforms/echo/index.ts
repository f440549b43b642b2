import type { MessageAttributes } from '../../core/channel.ts';
import { LocalChannel } from '../../core/local-channel.ts';
import { defineProtocol } from '../../core/protocol.ts';

class EchoChannel extends LocalChannel {
  protected override work(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.deliver(bytes, attributes, owned);
  }
}

export const echo = defineProtocol({
  name: 'Echo',
  title: 'Returns what it gets.',
  cluster: {
    schema: ({ strict }) => strict({}),
    kind: 'same',
    virtual: true,
    open: (_spec, { limits }) => ({ dial: () => new EchoChannel(limits) }),
  },
});
