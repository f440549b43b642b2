/** Whose routes a listener lets in. */
import type { Snapshot } from '../cluster/contract.ts';
import type { GatewayListener, LabelSelector } from './objects.ts';

/** Whether routes of a namespace may attach to a listener of a Gateway in namespace `home`. */
export function allowsNamespace(
  listener: GatewayListener,
  home: string,
  namespace: string,
  snapshot: Snapshot,
): boolean {
  const { from = 'Same', selector } = listener.allowedRoutes?.namespaces ?? {};
  if (from === 'All') return true;
  if (from === 'Same') return namespace === home;
  if (from !== 'Selector' || !selector) return false;
  const object = snapshot.get('Namespace', '', namespace);
  return object !== undefined && matchesLabels(selector, object.metadata.labels);
}

/** Whether the labels of namespaces count for a listener. */
export function selectsNamespaces({ allowedRoutes }: GatewayListener): boolean {
  return allowedRoutes?.namespaces?.from === 'Selector';
}

function matchesLabels(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  const has = (key: string): boolean => Object.hasOwn(labels, key);
  return (
    Object.entries(matchLabels).every(([key, value]) => has(key) && labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return has(key);
      if (operator === 'DoesNotExist') return !has(key);
      const among = has(key) && values.includes(labels[key] as string);
      return operator === 'In' ? among : operator === 'NotIn' && !among;
    })
  );
}
