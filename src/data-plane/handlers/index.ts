import type { Kind, RouteDefinition, RuleDefinition, RuleListDefinition } from '../../model/definitions.ts';
import { Route, Rule, RuleList } from '../../routing/objects.ts';
import { type ClusterContext, clusterHandler } from './cluster.ts';
import { endpointHandler } from './endpoint.ts';
import type { Handler, Handlers } from './handler.ts';
import { type ListenerContext, listenerHandler } from './listener.ts';
import { plainHandler } from './plain.ts';

export interface HandlerContext extends ListenerContext, ClusterContext {}

/** How objects of each kind come, change and go. */
export function createHandlers(context: HandlerContext): Handlers {
  const { store } = context;
  const handlers: Record<Kind, Handler> = {
    listener: listenerHandler(context),
    cluster: clusterHandler(context),
    endpoint: endpointHandler(store, context.counts),
    route: plainHandler<RouteDefinition>(store.routes, (definition) => new Route(definition)),
    rule: plainHandler<RuleDefinition>(store.rules, (definition) => new Rule(definition)),
    rulelist: plainHandler<RuleListDefinition>(store.rulelists, (definition) => new RuleList(definition)),
  };
  return (kind) => handlers[kind];
}
