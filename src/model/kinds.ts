/**
 * The kinds of objects. A new one is an entry here and in the tables by kind: schemas (config), answers (api) and
 * handlers (data-plane), which do not compile before.
 */
import type { Definition, DefinitionOf, Kind } from './definitions.ts';

interface KindFacts<D extends Definition = Definition> {
  /** Objects of this kind have a list of their own in a configuration and in the API, and may stand by themselves. */
  readonly listed: boolean;
  /** They open sockets or files, as their specification says. */
  readonly opens: boolean;
  /** The objects that may have been written inline in this one. */
  children(definition: D): readonly Child[];
  /** The object as one writes it, with the names of those that it refers to. */
  written(definition: D): Record<string, unknown>;
}

type Child = readonly [Kind, name: string];

const none = (): readonly Child[] => [];

/** In the order in which objects come, so that nothing refers to what is not there yet; they go the other way round. */
const KINDS: { readonly [K in Kind]: KindFacts<DefinitionOf<K>> } = {
  cluster: {
    listed: true,
    opens: true,
    children: none,
    written: ({ name, spec, loadbalancer, options }) => ({ name, spec, loadbalancer, options }),
  },
  endpoint: {
    listed: false,
    opens: false,
    children: none,
    written: ({ name, address, port, weight }) => {
      return { name, spec: { address, ...(port !== undefined && { port }) }, weight };
    },
  },
  route: {
    listed: true,
    opens: false,
    children: ({ destination, ingress, egress }) =>
      [destination, ...ingress, ...egress].map((cluster) => ['cluster', cluster]),
    written: ({ name, destination, ingress, egress, retry }) => ({ name, destination, ingress, egress, retry }),
  },
  rule: {
    listed: true,
    opens: false,
    // A rulelist to `apply` is only named.
    children: ({ route }) => (route === undefined ? [] : [['route', route]]),
    written: ({ name, match, rewrite, route, apply }) => ({ name, match, action: { rewrite, route, apply } }),
  },
  rulelist: {
    listed: true,
    opens: false,
    children: ({ rules }) => rules.map((rule) => ['rule', rule]),
    written: ({ name, rules }) => ({ name, rules }),
  },
  listener: {
    listed: true,
    opens: true,
    children: ({ rules }) => [['rulelist', rules]],
    written: ({ name, spec, rules, options }) => ({ name, spec, rules, options }),
  },
};

/** In the order in which they come. */
export const ALL_KINDS = Object.keys(KINDS) as readonly Kind[];

/** The kinds of objects that can be added by themselves. */
export type ListedKind = Exclude<Kind, 'endpoint'>;

export const LISTED_KINDS = ALL_KINDS.filter((kind): kind is ListedKind => KINDS[kind].listed);

export type OpeningDefinition = DefinitionOf<'cluster' | 'listener'>;

export function opens(definition: Definition): definition is OpeningDefinition {
  return KINDS[definition.kind].opens;
}

export function childrenOf(definition: Definition): readonly Child[] {
  return factsOf(definition).children(definition);
}

export function written(definition: Definition): Record<string, unknown> {
  return factsOf(definition).written(definition);
}

function factsOf({ kind }: Definition): KindFacts {
  return KINDS[kind] as unknown as KindFacts;
}
