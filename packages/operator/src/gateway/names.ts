/** How objects are called: in our maps, on the proxies, and those that a Gateway gets in the cluster. */
import { createHash } from 'node:crypto';
import type { Key } from '../cluster/contract.ts';
import type { Kind } from '../resources/kinds.ts';
import { GATEWAY_GROUP } from './objects.ts';

/** `<Kind>/<namespace>/<name>`: of an object in our maps. */
export function keyText(kind: Kind, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

/** What a change of a namespace's ReferenceGrants concerns. */
export const grantsTopic = (namespace: string): string => `grants/${namespace}`;

export function parseKey(text: string): Key {
  const [kind = '', namespace = '', name = ''] = text.split('/');
  return { kind: kind as Kind, namespace, name };
}

/** What it is called on the proxies; with the name of a listener, that one of a Gateway. */
export function fullName({ kind, namespace, name }: Key, listener?: string): string {
  const whole = `/${GATEWAY_GROUP}/v1/${kind}/${namespace}/${name}`;
  return listener === undefined ? whole : `${whole}/${listener}`;
}

/** The key of the object that a derived one of that full name comes from; undefined for a name of other objects. */
export function sourceOf(name: string): string | undefined {
  const [, group, , kind, namespace, source] = name.split('/');
  return group === GATEWAY_GROUP && source !== undefined ? `${kind}/${namespace}/${source}` : undefined;
}

/** Labels of what belongs to a Gateway (GEP-1762). */
export const GATEWAY_NAME_LABEL = `${GATEWAY_GROUP}/gateway-name`;
export const GATEWAY_CLASS_LABEL = `${GATEWAY_GROUP}/gateway-class-name`;

/** Characters of a label's value, and of a Service's name, at most (RFC 1123). */
const LABEL = 63;

/** A Gateway may have a name of 253 characters, a label's value 63: a longer one is cut, and told apart by a hash. */
export function labelValue(name: string): string {
  return name.length <= LABEL ? name : shortened(name);
}

/** Of the Deployment and the Service: `<gateway>-<class>` (GEP-1762), or as near to it as a Service's name can be (RFC 1035). */
export function infrastructureName(gateway: string, gatewayClass: string): string {
  const name = `${gateway}-${gatewayClass}`;
  return name.length <= LABEL && /^[a-z][a-z0-9-]*$/.test(name)
    ? name
    : shortened(`gateway-${name}`.replaceAll('.', '-'), name);
}

function shortened(text: string, hashed = text): string {
  const hash = createHash('sha256').update(hashed).digest('hex').slice(0, 10);
  return `${text.slice(0, LABEL - hash.length - 1).replace(/[-.]+$/, '')}-${hash}`;
}
