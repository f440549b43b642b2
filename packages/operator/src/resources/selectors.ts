/**
 * Selectors without what needs looking up: which pods one means can be told from the pod alone.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
import type { Pod, Requirement } from './objects.ts';

export interface Query {
  /** Undefined: all there are. */
  readonly namespaces?: readonly string[];
  readonly labels: readonly (readonly [key: string, value: string])[];
  readonly expressions: readonly Requirement[];
  readonly fields: readonly Requirement[];
}

/** Matches no pod. */
export const NO_PODS: Query = { namespaces: [], labels: [], expressions: [], fields: [] };

/** Equal for queries that say the same in another order. */
export function queryKey({ namespaces, labels, expressions, fields }: Query): string {
  const sorted = (items: readonly unknown[]): string[] => items.map((item) => JSON.stringify(item)).sort();
  const requirements = (list: readonly Requirement[]): string[] =>
    sorted(list.map(({ key, operator, values = [] }) => [key, operator, [...values].sort()]));
  const where = namespaces ? [...namespaces].sort() : null;
  return JSON.stringify([where, sorted(labels), requirements(expressions), requirements(fields)]);
}

export function matches({ namespaces, labels, expressions, fields }: Query, pod: Pod): boolean {
  const { metadata } = pod;
  if (namespaces && !namespaces.includes(metadata.namespace)) return false;
  const label = (key: string): string | undefined => own(metadata.labels, key);
  return (
    labels.every(([key, value]) => label(key) === value) &&
    expressions.every((requirement) => holds(requirement, label(requirement.key))) &&
    fields.every((requirement) => holds(requirement, fieldOf(pod, requirement.key)))
  );
}

/** NotIn holds where there is nothing, as in Kubernetes. */
function holds({ operator, values = [] }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/** The text at a dotted path into the pod; undefined where there is none, or no single value. */
function fieldOf(pod: Pod, path: string): string | undefined {
  let value: unknown = pod;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = own(value as Record<string, unknown>, step);
  }
  return value === undefined || value === null || typeof value === 'object' ? undefined : String(value);
}

function own<T>(object: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
