import { LocalChannel } from '../../core/local-channel.ts';
import { defineProtocol } from '../../core/protocol.ts';

/** Nothing comes out but the end, when our direction has ended. */
class DiscardChannel extends LocalChannel {
  protected override work(): void {}

  // A way out that is held up is no reason to stop swallowing.
  protected override send(): boolean {
    return true;
  }
}

export const discard = defineProtocol({
  name: 'Discard',
  title: 'Swallows what it gets.',
  cluster: {
    schema: ({ strict }) => strict({}),
    kind: 'same',
    virtual: true,
    open: (_spec, { limits }) => ({ dial: () => new DiscardChannel(limits) }),
  },
});
