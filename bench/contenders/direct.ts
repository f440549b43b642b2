import type { Contender } from '../harness/types.ts';

/** No proxy: what load, echo and kernel can do; between namespaces, what IP forwarding does. */
export const direct: Contender = {
  name: 'direct',
  group: 'direct',
  version: async () => 'no proxy',
  carries: { udp: () => [], tcp: () => [], 'udp-namespaces': () => [] },
  unfit: ({ id }) => (id.startsWith('memory') ? 'has no memory of its own' : undefined),
};
