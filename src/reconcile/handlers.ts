import { Cluster } from '../cluster/cluster.ts';
import { Endpoint } from '../cluster/endpoint.ts';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import { queueLimits } from '../core/limits.ts';
import type { ClusterHost, Dialer, Listening, Services, Spec } from '../core/protocol.ts';
import { Listener } from '../listener/listener.ts';
import { type OpenContext, open } from '../listener/open.ts';
import { Route, Rule, RuleList } from '../routing/objects.ts';
import type { Handler, Handlers } from './apply.ts';
import type {
  ClusterDefinition,
  Definition,
  EndpointDefinition,
  ListenerDefinition,
  RouteDefinition,
  RuleDefinition,
  RuleListDefinition,
} from './definitions.ts';
import type { Store } from './store.ts';

export interface HandlerContext extends OpenContext {
  readonly store: Store;
  readonly services: Services;
}

/** How objects of each kind come, change and go. */
export function createHandlers(context: HandlerContext): Handlers {
  const { store } = context;
  const handlers: Record<Definition['kind'], Handler> = {
    listener: listenerHandler(context),
    cluster: clusterHandler(context),
    endpoint: endpointHandler(store),
    route: plainHandler<RouteDefinition>(store.routes, (definition) => new Route(definition)),
    rule: plainHandler<RuleDefinition>(store.rules, (definition) => new Rule(definition)),
    rulelist: plainHandler<RuleListDefinition>(store.rulelists, (definition) => new RuleList(definition)),
  };
  return (kind) => handlers[kind];
}

/** For objects that hold no sockets or files: they are looked up anew for each session. */
function plainHandler<D extends Definition>(objects: Map<string, unknown>, make: (definition: D) => unknown): Handler {
  return {
    create: async (definition) => {
      objects.set(definition.name, make(definition as D));
    },
    update: (_before, after) => {
      objects.set(after.name, make(after as D));
    },
    delete: async ({ name }) => {
      objects.delete(name);
    },
  };
}

function listenerHandler(context: HandlerContext): Handler {
  const { listeners } = context.store;
  return {
    create: async (definition) => {
      const { spec, name } = definition as ListenerDefinition;
      const listener = new Listener(definition as ListenerDefinition, context.registry.listener(spec.protocol));
      // Found by its own first sessions, which may come before it is known that it listens.
      listeners.set(name, listener);
      try {
        await open(listener, context);
      } catch (error) {
        listeners.delete(name);
        throw failure(definition, error);
      }
    },
    update: (_before, after) => {
      const listener = listeners.get(after.name);
      if (listener) listener.definition = after as ListenerDefinition;
    },
    delete: async ({ name }) => {
      const listener = listeners.get(name);
      listeners.delete(name);
      await close(listener?.listening, name, context);
    },
  };
}

function clusterHandler(context: HandlerContext): Handler {
  const { store, registry } = context;
  return {
    create: async (definition) => {
      const { name, spec } = definition as ClusterDefinition;
      const dialer = await openDialer(definition as ClusterDefinition, context);
      const cluster = new Cluster(
        definition as ClusterDefinition,
        registry.cluster(spec.protocol),
        dialer,
        registry.kindOf(spec),
        store.endpointsOf(name),
      );
      store.clusters.set(name, cluster);
    },
    update: (_before, after) => {
      const cluster = store.clusters.get(after.name);
      if (cluster) cluster.definition = after as ClusterDefinition;
    },
    delete: async ({ name }) => {
      const cluster = store.clusters.get(name);
      store.clusters.delete(name);
      store.forgetEndpointsOf(name);
      await close(cluster?.dialer, name, context);
    },
  };
}

async function openDialer(definition: ClusterDefinition, context: HandlerContext): Promise<Dialer> {
  const { name, options, spec } = definition;
  const { registry, io, log, services } = context;
  const openOn = async (under: Spec): Promise<Dialer> => registry.cluster(under.protocol).open(under, host);
  const host: ClusterHost = { name, options, limits: queueLimits(options), io, log, services, dialerOn: openOn };
  try {
    return await openOn(spec);
  } catch (error) {
    throw failure(definition, error);
  }
}

/** An object that cannot be closed is gone all the same: who uses it has no use for the error. */
async function close(what: Listening | Dialer | undefined, name: string, { log }: HandlerContext): Promise<void> {
  try {
    await what?.close?.();
  } catch (error) {
    log.write('error', name, `could not be closed: ${asL7mpError(error).message}`);
  }
}

/** Says which object it was. A path in the error begins at the specification. */
function failure({ kind, name }: Definition, error: unknown): L7mpError {
  const { code, message } = isSystemError(error)
    ? new L7mpError(kind === 'listener' ? 'E_BIND' : 'E_FILE', `cannot be opened: ${error.message}`)
    : asL7mpError(error);
  return new L7mpError(code, `${kind} ${name}: ${message.startsWith('/') ? `/spec${message}` : message}`, {
    cause: error,
  });
}

/** What the operating system refuses is no defect of the proxy, also where a protocol has not said so. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && !(error instanceof L7mpError) && 'syscall' in error;
}

function endpointHandler(store: Store): Handler {
  const create = (definition: Definition): void => {
    const { name, cluster } = definition as EndpointDefinition;
    const endpoint = new Endpoint(definition as EndpointDefinition);
    store.endpoints.set(name, endpoint);
    store.endpointsOf(cluster).set(name, endpoint);
    store.clusters.get(cluster)?.changed();
  };
  return {
    create: async (definition) => create(definition),
    update: (_before, after) => create(after),
    delete: async ({ name }) => {
      const endpoint = store.endpoints.get(name);
      if (!endpoint) return;
      store.endpoints.delete(name);
      const { cluster } = endpoint.definition;
      store.endpointsOf(cluster).delete(name);
      store.forgetEndpointsOf(cluster);
      store.clusters.get(cluster)?.changed();
    },
  };
}
