/** A transform that ends the thread in which it is written to, as a defect would. */
import { defineProtocol, LocalChannel, strict } from 'l7mp';

class FailingChannel extends LocalChannel {
  work() {
    process.exit(1);
  }
}

export default defineProtocol({
  name: 'Failing',
  title: 'Ends the worker.',
  cluster: {
    schema: strict({}),
    kind: 'same',
    virtual: true,
    open: (_spec, { limits }) => ({ dial: () => new FailingChannel(limits) }),
  },
});
