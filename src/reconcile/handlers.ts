import { Cluster } from '../cluster/cluster.ts';
import { Endpoint } from '../cluster/endpoint.ts';
import type { Channel } from '../core/channel.ts';
import type { Connections } from '../core/connections.ts';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import { queueLimits } from '../core/limits.ts';
import type { Attempt, ClusterHost, Dialer, Enclosure, Listening, Services, Spec } from '../core/protocol.ts';
import type { SharedCounts } from '../counts/shared-counts.ts';
import { Listener } from '../listener/listener.ts';
import { type OpenContext, open } from '../listener/open.ts';
import type {
  ClusterDefinition,
  Definition,
  EndpointDefinition,
  ListenerDefinition,
  RouteDefinition,
  RuleDefinition,
  RuleListDefinition,
} from '../model/definitions.ts';
import { Route, Rule, RuleList } from '../routing/objects.ts';
import type { Done, Handler, Handlers } from './apply.ts';
import { need, type Store } from './store.ts';

export interface HandlerContext extends OpenContext {
  readonly store: Store;
  readonly counts: SharedCounts;
  readonly services: Services;
  /** Below which the API may name files. */
  enclosure(): Enclosure;
}

/** How objects of each kind come, change and go. */
export function createHandlers(context: HandlerContext): Handlers {
  const { store } = context;
  const handlers: Record<Definition['kind'], Handler> = {
    listener: listenerHandler(context),
    cluster: clusterHandler(context),
    endpoint: endpointHandler(store, context.counts),
    route: plainHandler<RouteDefinition>(store.routes, (definition) => new Route(definition)),
    rule: plainHandler<RuleDefinition>(store.rules, (definition) => new Rule(definition)),
    rulelist: plainHandler<RuleListDefinition>(store.rulelists, (definition) => new RuleList(definition)),
  };
  return (kind) => handlers[kind];
}

/** For objects that hold no sockets or files: they are looked up anew for each session. */
function plainHandler<D extends Definition>(objects: Map<string, unknown>, make: (definition: D) => unknown): Handler {
  const put = (definition: Definition): void => {
    objects.set(definition.name, make(definition as D));
  };
  const update = (before: Definition, after: Definition): Done => {
    put(after);
    return { undo: () => put(before) };
  };
  return {
    create: async (after) => {
      put(after);
      return { undo: () => void objects.delete(after.name) };
    },
    update,
    restart: async (before, after) => update(before, after),
    delete: async ({ name }) => {
      objects.delete(name);
    },
  };
}

function listenerHandler(context: HandlerContext): Handler {
  const { store, registry } = context;
  const { listeners } = store;
  const listen = async (listener: Listener): Promise<void> => {
    try {
      await open(listener, context);
    } catch (error) {
      throw failure(listener.definition, error);
    }
  };
  const release = async (listener: Listener): Promise<void> => {
    const { listening, name } = listener;
    listener.listening = undefined;
    await close(listening, name, context);
  };
  const define = (listener: Listener, definition: Definition): void => {
    const { spec } = definition as ListenerDefinition;
    listener.define(definition as ListenerDefinition, registry.listener(spec.protocol));
  };
  return {
    create: async (after) => {
      const { spec, name } = after as ListenerDefinition;
      const listener = new Listener(after as ListenerDefinition, registry.listener(spec.protocol), context.counts);
      // Found by its own first sessions, which may come before it is known that it listens.
      listeners.set(name, listener);
      const forget = (): void => {
        listeners.delete(name);
        listener.close();
      };
      await listen(listener).catch((error: unknown) => {
        forget();
        throw error;
      });
      const undo = async (): Promise<void> => {
        forget();
        await release(listener);
      };
      return { undo };
    },
    release: async ({ name }) => {
      const listener = need(listeners, 'listener', name);
      await release(listener);
      return { undo: () => listen(listener) };
    },
    update: (before, after) => {
      const listener = need(listeners, 'listener', after.name);
      define(listener, after);
      return { undo: () => define(listener, before) };
    },
    restart: async (before, after) => {
      const listener = need(listeners, 'listener', after.name);
      define(listener, after);
      await listen(listener).catch((error: unknown) => {
        define(listener, before);
        throw error;
      });
      const undo = async (): Promise<void> => {
        await release(listener);
        define(listener, before);
      };
      return { undo };
    },
    delete: async ({ name }) => {
      listeners.get(name)?.close();
      listeners.delete(name);
    },
  };
}

function clusterHandler(context: HandlerContext): Handler {
  const { store, registry } = context;
  const { clusters } = store;
  const make = async (definition: Definition): Promise<Cluster> => {
    const { name, spec } = definition as ClusterDefinition;
    const dialer = await openDialer(definition as ClusterDefinition, context);
    const endpoints = store.endpointsOf(name);
    const side = registry.cluster(spec.protocol);
    return new Cluster(definition as ClusterDefinition, side, dialer, registry.kindOf(spec), endpoints, context.log);
  };
  const forget = async (name: string): Promise<void> => {
    const cluster = clusters.get(name);
    clusters.delete(name);
    store.forgetEndpointsOf(name);
    await close(cluster, name, context);
  };
  return {
    create: async (after) => {
      clusters.set(after.name, await make(after));
      return { undo: () => forget(after.name) };
    },
    update: (before, after) => {
      const cluster = need(clusters, 'cluster', after.name);
      cluster.define(after as ClusterDefinition);
      return { undo: () => cluster.define(before as ClusterDefinition) };
    },
    // Live sessions go on with the cluster that they have: it is another one that takes the name.
    restart: async (before, after) => {
      const old = need(clusters, 'cluster', before.name);
      const cluster = await make(after);
      cluster.inherit(old);
      clusters.set(after.name, cluster);
      const undo = async (): Promise<void> => {
        clusters.set(before.name, old);
        await close(cluster, after.name, context);
      };
      return { undo, settle: () => close(old, before.name, context) };
    },
    arrange: ({ name }, order) => {
      const before = [...store.endpointsOf(name).keys()];
      const arrange = (names: readonly string[]): void => {
        store.arrangeEndpointsOf(name, names);
        clusters.get(name)?.changed();
      };
      arrange(order);
      return { undo: () => arrange(before) };
    },
    delete: ({ name }) => forget(name),
  };
}

async function openDialer(definition: ClusterDefinition, context: HandlerContext): Promise<Dialer> {
  const { name, options, spec, confined = false } = definition;
  const { registry, io, log, services, gathering } = context;
  const enclosure = confined ? context.enclosure() : undefined;
  const openOn = async (under: Spec): Promise<Dialer> => registry.cluster(under.protocol).open(under, host);
  const host: ClusterHost = {
    name,
    options,
    limits: queueLimits(options),
    io,
    log,
    gathering,
    services,
    enclosure,
    dialerOn: openOn,
  };
  try {
    const dialer = await openOn(spec);
    // Virtual clusters have no network behind them, and so no connections.
    return registry.cluster(spec.protocol).virtual ? dialer : new ClaimingDialer(dialer, io.connections);
  } catch (error) {
    throw failure(definition, error);
  }
}

/** Dials where there is room for one more connection. */
class ClaimingDialer implements Dialer {
  readonly #dialer: Dialer;
  readonly #connections: Connections;

  constructor(dialer: Dialer, connections: Connections) {
    this.#dialer = dialer;
    this.#connections = connections;
  }

  dial(attempt: Attempt): Channel | Promise<Channel> {
    this.#connections.claim();
    return this.#dialer.dial(attempt);
  }

  close(): void | Promise<void> {
    return this.#dialer.close?.();
  }
}

/** An object that cannot be closed is gone all the same: who uses it has no use for the error. */
async function close(what: Listening | Cluster | undefined, name: string, { log }: HandlerContext): Promise<void> {
  try {
    await what?.close();
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

function endpointHandler(store: Store, counts: SharedCounts): Handler {
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
