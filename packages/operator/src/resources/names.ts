/** What objects are called on the proxies, and how they are referred to. */
import { KINDS, type Kind, type KindInfo } from './kinds.ts';

/** `/l7mp.io/v1/Target/default/web`: below this prefix all is the operator's. */
export function fullName(kind: Kind, namespace: string, name: string): string {
  const { group, version } = KINDS[kind];
  // What comes from a Service is ours as well, and the core group has no name to tell it by.
  return `/${group || 'l7mp.io'}/${version}/${kind}/${namespace}/${name}`;
}

/** Where a reference leads, as far as its text tells. */
export interface Reference {
  /** Undefined for a bare name: the kind is what the place where it stands allows. */
  readonly kind?: Kind;
  readonly namespace: string;
  readonly name: string;
}

const BY_PLURAL = new Map(
  (Object.entries(KINDS) as [Kind, KindInfo][]).map(([kind, { group, version, plural }]) => [
    `${group ? `/apis/${group}` : '/api'}/${version}/${plural}`,
    kind,
  ]),
);

/** A subdomain (RFC 1123), as Kubernetes wants names to be. */
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/**
 * A name in the same namespace, a full name, or the path under which the API server has the object:
 * `/apis/l7mp.io/v1/namespaces/<namespace>/<plural>/<name>`, for a Service `/api/v1/namespaces/<namespace>/services/<name>`.
 * Undefined for what is none of these.
 */
export function parseReference(text: string, namespace: string): Reference | undefined {
  const found = text.startsWith('/') ? parsePath(text) : { namespace, name: text };
  return found && NAME.test(found.name) && NAME.test(found.namespace) ? found : undefined;
}

function parsePath(text: string): Reference | undefined {
  const path = /^(\/apis?\/.+)\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(text);
  if (path) {
    const [, version, namespace = '', plural, name = ''] = path;
    const kind = BY_PLURAL.get(`${version}/${plural}`);
    return kind && { kind, namespace, name };
  }
  const [, , , word, namespace = '', name = '', ...rest] = text.split('/');
  const kind = word !== undefined && Object.hasOwn(KINDS, word) ? (word as Kind) : undefined;
  if (!kind || rest.length > 0 || text !== fullName(kind, namespace, name)) return undefined;
  return { kind, namespace, name };
}
