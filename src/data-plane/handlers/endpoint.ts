import { Endpoint } from '../../cluster/endpoint.ts';
import type { SharedCounts } from '../../counts/shared-counts.ts';
import type { Definition, EndpointDefinition } from '../../model/definitions.ts';
import { need } from '../../model/need.ts';
import type { Store } from '../store.ts';
import type { Done, Handler } from './handler.ts';

export function endpointHandler(store: Store, counts: SharedCounts): Handler {
  const changed = (cluster: string): void => store.clusters.get(cluster)?.changed();
  const put = (endpoint: Endpoint): void => {
    const { name, cluster } = endpoint.definition;
    store.endpoints.set(name, endpoint);
    store.endpointsOf(cluster).set(name, endpoint);
    changed(cluster);
  };
  const forget = (definition: Definition): void => {
    const { name, cluster } = definition as EndpointDefinition;
    store.endpoints.get(name)?.close();
    store.endpoints.delete(name);
    store.endpointsOf(cluster).delete(name);
    store.forgetEndpointsOf(cluster);
    changed(cluster);
  };
  /** Takes it out of a cluster. Returns what puts the others into their order, where it has come back. */
  const takeOut = ({ name, cluster }: EndpointDefinition): (() => void) => {
    const order = [...store.endpointsOf(cluster).keys()];
    store.endpointsOf(cluster).delete(name);
    changed(cluster);
    return () => store.arrangeEndpointsOf(cluster, order);
  };
  // Sessions stay where they are: what has another address, port or cluster is another endpoint, of the same name.
  const update = (from: Definition, to: Definition): Done => {
    const [before, after] = [from, to] as [EndpointDefinition, EndpointDefinition];
    const old = need(store.endpoints, 'endpoint', before.name);
    const moves = before.cluster !== after.cluster;
    const same = !moves && after.address === old.address && after.port === old.port;
    const endpoint = same ? old : Endpoint.counted(after, counts);
    endpoint.definition = after;
    const rearrange = moves ? takeOut(before) : undefined;
    put(endpoint);
    const undo = (): void => {
      if (moves) takeOut(after);
      old.definition = before;
      put(old);
      rearrange?.();
      if (!same) endpoint.close();
    };
    return same ? { undo } : { undo, settle: () => old.close() };
  };
  return {
    create: async (after) => {
      put(Endpoint.counted(after as EndpointDefinition, counts));
      return { undo: () => forget(after) };
    },
    update,
    restart: async (before, after) => update(before, after),
    delete: async (before) => forget(before),
  };
}
