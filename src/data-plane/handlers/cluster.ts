import { Cluster } from '../../cluster/cluster.ts';
import type { Engine } from '../../core/engine.ts';
import type { GatheringLimit } from '../../core/gathering.ts';
import { queueLimits } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { ClusterHost, Dialer, Enclosure, Services, Spec } from '../../core/protocol.ts';
import type { Registry } from '../../core/registry.ts';
import type { ClusterDefinition, Definition } from '../../model/definitions.ts';
import { need } from '../../model/need.ts';
import type { Store } from '../store.ts';
import { close, failure } from './failure.ts';
import type { Handler } from './handler.ts';
import { takesUp } from './take-up.ts';

export interface ClusterContext {
  readonly store: Store;
  readonly registry: Registry;
  readonly io: Engine;
  readonly log: Log;
  readonly gathering: GatheringLimit;
  readonly services: Services;
  /** Below which the API may name files. */
  enclosure(): Enclosure;
}

export function clusterHandler(context: ClusterContext): Handler {
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
  const handler: Handler = {
    create: async (after) => {
      clusters.set(after.name, await make(after));
      return { undo: () => forget(after.name) };
    },
    update: async (before, after) => {
      const cluster = need(clusters, 'cluster', after.name);
      const change = async (from: Definition, to: Definition): Promise<boolean> => {
        const taken = await takesUp(cluster.dialer, from as ClusterDefinition, to as ClusterDefinition);
        if (taken) cluster.define(to as ClusterDefinition);
        return taken;
      };
      if (await change(before, after)) return { undo: async () => void (await change(after, before)) };
      return handler.restart(before, after);
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
  return handler;
}

async function openDialer(definition: ClusterDefinition, context: ClusterContext): Promise<Dialer> {
  const { name, options, spec, confined = false } = definition;
  const { registry, io, log, services, gathering } = context;
  const enclosure = confined ? context.enclosure() : undefined;
  const openOn = async (under: Spec): Promise<Dialer> => registry.cluster(under.protocol).open(under, host);
  const host: ClusterHost = {
    name,
    options,
    limits: queueLimits(options),
    io,
    connections: io.connections,
    log,
    gathering,
    services,
    enclosure,
    dialerOn: openOn,
  };
  try {
    return await openOn(spec);
  } catch (error) {
    throw failure(definition, error);
  }
}
