import type { Contender } from '../harness/types.ts';

/** No proxy: what load, echo and kernel can do. */
export const direct: Contender = {
  name: 'direct',
  group: 'direct',
  version: async () => 'no proxy',
  carries: { udp: () => [], tcp: () => [] },
  unfit: ({ id }) => (id.startsWith('memory') ? 'has no memory of its own' : undefined),
};
