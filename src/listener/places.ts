import { isLoopback } from '../core/address.ts';
import { hostPorts } from '../core/ports.ts';
import type { Spec } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';

/** What a listener listens on, for a person. */
export function placesOf(spec: Spec, registry: Registry): string[] {
  const files = registry.filesOf('listener', spec).filter(({ use }) => use === 'listen' || use === 'fifo');
  const paths = files.map(({ path }) => path);
  const place = registry.addressOf(spec);
  if (!place) return paths;
  const where = hostPorts(place);
  return [isLoopback(place.host) ? where : `${where}, open to the network`, ...paths];
}
