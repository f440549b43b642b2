/** The schemas of protocols: made when they are asked for the first time, and the same ones from then on. */
import type { TObject, TProperties } from 'typebox';
import type { ClusterSide, ListenerSide, Spec } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import * as parts from '../core/schema.ts';

type Side = ListenerSide | ClusterSide;

const made = new WeakMap<object, unknown>();

/** The schema of a side's specifications, without `protocol`. */
export function schemaOf({ schema }: Side): TObject {
  return make(schema);
}

/** The options that a side has beside the common ones. */
export function optionsOf({ options = NONE }: Side): TProperties {
  return make(options);
}

/** Whether a cluster's specification, or that of what it stands on, has a port, which an endpoint may replace. */
export function hasPort(registry: Registry, spec: Spec): boolean {
  const under = registry.under('cluster', spec);
  if (under) return hasPort(registry, under);
  return Object.hasOwn(schemaOf(registry.cluster(spec.protocol)).properties, 'port');
}

const NONE: TProperties = {};

function make<T extends object>(part: parts.Made<T>): T {
  if (typeof part !== 'function') return part;
  const there = made.get(part) as T | undefined;
  if (there) return there;
  const fresh = part(parts);
  made.set(part, fresh);
  return fresh;
}
