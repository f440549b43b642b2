/**
 * What is allowed and yet likely a mistake: late binding lets a configuration name what is not there yet. A check looks
 * at a whole configuration and says what it finds; a new check is a function in the list.
 */
import type { Registry } from '../core/registry.ts';
import { exposedControl, exposureWarning } from '../listener/exposure.ts';
import type { Kind } from '../model/definitions.ts';
import type { AdminInput } from './admin-schema.ts';
import { findCollisions } from './collisions.ts';
import { Outline } from './outline.ts';
import type { ConfigInput } from './schema.ts';

export interface Warning {
  /** A JSON pointer to what is meant, into the configuration. */
  readonly path: string;
  readonly message: string;
}

export interface Checked {
  /** The objects, by kind and name. */
  readonly outline: Outline;
  readonly registry: Registry;
  readonly admin: AdminInput;
}

type Check = (checked: Checked) => Warning[];

const CHECKS: readonly Check[] = [nothingListens, missingReferences, missingEndpoints, sharedAddresses, openControl];

/** In the order of the checks. Takes a validated configuration, and looks at nothing else: no file, no socket. */
export function findWarnings(config: ConfigInput, registry: Registry): Warning[] {
  const checked = { outline: new Outline(config, registry), registry, admin: config.admin ?? {} };
  return CHECKS.flatMap((check) => check(checked));
}

// -------------------------------------------------------------------- checks

function nothingListens({ outline }: Checked): Warning[] {
  if (outline.of('listener').size > 0) return [];
  return [{ path: '/', message: 'there is no listener: nobody can reach the proxy, nor its API' }];
}

/** Names that lead nowhere. */
function missingReferences({ outline }: Checked): Warning[] {
  const missing = (path: string, kind: Kind, name: string | undefined): Warning[] =>
    name === undefined || outline.of(kind).has(name)
      ? []
      : [{ path, message: `there is no ${kind} named ${JSON.stringify(name)}; sessions fail until there is` }];
  return [
    ...outline
      .all('listener')
      .flatMap((listener) => missing(`${outline.placeOf(listener)}/rules`, 'rulelist', listener.rules)),
    ...outline
      .all('rulelist')
      .flatMap((list) => list.rules.flatMap((rule, n) => missing(`${outline.placeOf(list)}/${n}`, 'rule', rule))),
    ...outline.all('rule').flatMap((rule) => {
      const action = `${outline.placeOf(rule)}/action`;
      return [
        ...missing(`${action}/route`, 'route', rule.route),
        ...missing(`${action}/apply`, 'rulelist', rule.apply),
      ];
    }),
    ...outline.all('route').flatMap((route) => {
      const place = outline.placeOf(route);
      return [
        ...missing(`${place}/destination`, 'cluster', route.destination),
        ...route.ingress.flatMap((cluster, n) => missing(`${place}/ingress/${n}`, 'cluster', cluster)),
        ...route.egress.flatMap((cluster, n) => missing(`${place}/egress/${n}`, 'cluster', cluster)),
      ];
    }),
  ];
}

/** Clusters with a network and nobody there. */
function missingEndpoints({ outline, registry }: Checked): Warning[] {
  const clusters = outline.all('cluster').filter(({ spec }) => !registry.cluster(spec.protocol).virtual);
  const used = new Set(outline.all('endpoint').map(({ cluster }) => cluster));
  return clusters
    .filter(({ name }) => !used.has(name))
    .map((cluster) => ({
      path: outline.placeOf(cluster),
      message: `the cluster ${cluster.name} has no endpoints; sessions fail until it has`,
    }));
}

/** Those of different protocols: of one protocol they are an error. */
function sharedAddresses({ outline, registry }: Checked): Warning[] {
  return [...findCollisions(outline, registry).likely];
}

function openControl({ outline, registry, admin }: Checked): Warning[] {
  if (admin.auth) return [];
  return exposedControl(outline, registry).map((exposure) => ({
    path: outline.placeOf(exposure.listener),
    message: exposureWarning(exposure),
  }));
}
