/** Names of other objects, as custom resources write them. */
import type { Schema } from './schema.ts';

/** RFC 1123: a namespace is a label, an object's name a subdomain. */
const NAMESPACE = '([a-z0-9][-a-z0-9]*)?[a-z0-9]';
const NAME = '([a-z0-9][-a-z0-9.]*)?[a-z0-9]';

/** Both ways of the full name, and the bare name. 63 characters of a namespace, 253 of a name, and what is around them. */
const LONGEST = 400;

/** What they are called in the paths of the API server. */
const PLURALS = {
  VirtualService: 'virtualservices',
  Target: 'targets',
  Route: 'routes',
  RuleList: 'rulelists',
} as const;

export type Referred = keyof typeof PLURALS;

/** To an object of one of the kinds. `services`: or to a Service. */
export function reference(kinds: readonly Referred[], description: string, services = false): Schema {
  const place = '[-a-z0-9]+';
  const named = [...kinds, ...(services ? ['Service'] : [])].join('|');
  const paths = [
    NAME,
    `/l7mp\\.io/v1/(${named})/${place}/[-a-z0-9.]+`,
    `/apis/l7mp\\.io/v1/namespaces/${place}/(${kinds.map((kind) => PLURALS[kind]).join('|')})/[-a-z0-9.]+`,
    ...(services ? [`/api/v1/namespaces/${place}/services/[-a-z0-9.]+`] : []),
  ];
  const [first] = kinds as readonly [Referred];
  const path = `/apis/l7mp.io/v1/namespaces/<namespace>/${PLURALS[first]}/<name>`;
  return {
    type: 'string',
    description: `${description} Its name, or /l7mp.io/v1/${first}/<namespace>/<name>, or ${path}.`,
    part: 'reference',
    pattern: `^(${paths.join('|')})$`,
    minLength: 1,
    maxLength: LONGEST,
  };
}

/** The name of an object in the same namespace. */
export function bareName(description: string): Schema {
  return { type: 'string', description, pattern: `^${NAME}$`, minLength: 1, maxLength: 253 };
}

export function namespaceName(description: string): Schema {
  return { type: 'string', description, pattern: `^${NAMESPACE}$`, minLength: 1, maxLength: 63 };
}
