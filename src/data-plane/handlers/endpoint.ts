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
  // Sessions stay where they are: what has another address or port is another endpoint, of the same name.
  const update = (before: Definition, after: Definition): Done => {
    const old = need(store.endpoints, 'endpoint', before.name);
    const { address, port } = after as EndpointDefinition;
    const same = address === old.address && port === old.definition.port;
    const endpoint = same ? old : Endpoint.counted(after as EndpointDefinition, counts);
    endpoint.definition = after as EndpointDefinition;
    put(endpoint);
    const undo = (): void => {
      old.definition = before as EndpointDefinition;
      put(old);
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
