/** Names of other objects, as custom resources write them. */
import type { Schema } from './schema.ts';

/** RFC 1123: a namespace is a label, an object's name a subdomain. */
const NAMESPACE = '([a-z0-9][-a-z0-9]*)?[a-z0-9]';
const NAME = '([a-z0-9][-a-z0-9.]*)?[a-z0-9]';

/** Both ways of the full name, and the bare name. 63 characters of a namespace, 253 of a name, and what is around them. */
const LONGEST = 400;

const PLURALS = {
  VirtualService: 'virtualservices',
  Target: 'targets',
  Route: 'routes',
  RuleList: 'rulelists',
} as const;

export type Referred = keyof typeof PLURALS;

export function reference(kinds: readonly Referred[], description: string): Schema {
  const plurals = kinds.map((kind) => PLURALS[kind]);
  const own = `/l7mp\\.io/v1/(${kinds.join('|')})/${NAMESPACE}/${NAME}`;
  const asPath = `/apis/l7mp\\.io/v1/namespaces/${NAMESPACE}/(${plurals.join('|')})/${NAME}`;
  const said = `Its name, or /l7mp.io/v1/${kinds[0]}/<namespace>/<name>, or /apis/l7mp.io/v1/namespaces/<namespace>/${plurals[0]}/<name>.`;
  return {
    type: 'string',
    description: `${description} ${said}`,
    part: 'reference',
    pattern: `^(${NAME}|${own}|${asPath})$`,
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
