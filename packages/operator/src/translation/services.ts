/** What is behind a Service, as its EndpointSlices have it. */
import type { EndpointSlice } from '../resources/objects.ts';
import type { Reader } from './inputs.ts';

export interface ServiceAddress {
  readonly address: string;
  readonly port: number;
  /** Takes new sessions. */
  readonly ready: boolean;
}

/** `port` is the Service's. None for a Service that is not there. */
export function addressesBehind(
  { namespace, name, port }: { readonly namespace: string; readonly name: string; readonly port: number },
  reader: Reader,
): ServiceAddress[] {
  const service = reader.object('Service', namespace, name);
  const wanted = service?.spec.ports?.find((one) => one.port === port);
  if (!wanted) return [];
  const slices = ofOneFamily(reader.slices(namespace, name));
  const found = slices.flatMap(({ ports = [], endpoints = [] }) => {
    // The name is what joins them: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
    const target = ports.find((one) => (one.name ?? '') === (wanted.name ?? ''))?.port;
    if (target === undefined) return [];
    return endpoints.flatMap(({ addresses, conditions = {} }) => {
      const [address] = addresses;
      // Not said is ready, of `ready`, and not so, of `terminating`.
      const ready = conditions.ready !== false && conditions.terminating !== true;
      return address === undefined ? [] : [{ address, port: target, ready }];
    });
  });
  return deduplicate(found);
}

/** The pods of a Service of two families are in slices of each; one is enough. */
function ofOneFamily(slices: readonly EndpointSlice[]): readonly EndpointSlice[] {
  const ipv4 = slices.filter(({ addressType }) => addressType === 'IPv4');
  return ipv4.length > 0 ? ipv4 : slices;
}

/** An endpoint may be in two slices while it moves from one to the other: it is ready if it is so in one. */
function deduplicate(all: readonly ServiceAddress[]): ServiceAddress[] {
  const byPlace = new Map<string, ServiceAddress>();
  for (const one of all) {
    const place = `${one.address} ${one.port}`;
    if (!byPlace.get(place)?.ready) byPlace.set(place, one);
  }
  return [...byPlace.values()];
}
