import { defineProtocol, type Protocol } from '../../core/protocol.ts';
import { SharedStreams, type Streams } from './streams.ts';

/** Stdio on a process's streams. */
export function createStdio(streams: Streams): Protocol {
  const shared = new SharedStreams(streams);
  return defineProtocol({
    name: 'Stdio',
    title: "The proxy's own stdin and stdout.",
    cluster: {
      schema: ({ strict }) => strict({}),
      kind: 'stream',
      virtual: true,
      scope: 'process',
      open: (_spec, { limits }) => ({ dial: () => shared.open(limits) }),
    },
  });
}

export const stdio = createStdio(process);
