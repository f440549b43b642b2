/** A transform: what passes through it comes out in capitals. Letters beyond ASCII stay as they are. */
import { defineProtocol, LocalChannel, strict } from 'l7mp';

class UpperCaseChannel extends LocalChannel {
  /**
   * Bytes are never changed in place, since others may hold them too: `map` makes new ones, which are ours to give away.
   * @param {Uint8Array} bytes @param {import('l7mp').MessageAttributes} attributes
   */
  work(bytes, attributes) {
    const capitals = bytes.map((byte) => (byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte));
    this.deliver(capitals, attributes, true);
  }
}

export default defineProtocol({
  name: 'UpperCase',
  title: 'Passes everything on, in capitals.',
  cluster: {
    schema: strict({}),
    kind: 'same',
    virtual: true,
    open: (_spec, { limits }) => ({ dial: () => new UpperCaseChannel(limits) }),
  },
});
