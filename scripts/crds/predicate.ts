/** The `match` of a rule. */
import { OPERATIONS } from '../../src/routing/operations.ts';
import { VALUE_TYPES } from '../../src/routing/value-type.ts';
import { anything, only, type Schema } from './schema.ts';

/** A structural schema cannot contain itself: so many predicates inside each other are looked into. */
const DEPTH = 3;

const COMBINATIONS = ['and', 'or', 'not'];

/** What `value` must be, by operation; a text or a list of any kind for the others. */
const VALUES: Readonly<Record<string, Schema>> = {
  starts: only('string'),
  ends: only('string'),
  matches: only('string'),
  in: only('array'),
  less: only('number'),
  more: only('number'),
  type: { enum: Object.keys(VALUE_TYPES) },
};

const WITHOUT_VALUE = ['defined', 'undefined'];

/** `nested`: a predicate inside of another one, which may have its path. */
export function predicateSchema(depth = 1): Schema {
  const path = depth === 1 ? ['path'] : [];
  const first = Object.keys(OPERATIONS);
  const compared = first.filter((op) => !(op in VALUES) && !WITHOUT_VALUE.includes(op));
  const be = (op: readonly string[], required: readonly string[], value?: Schema): Schema => ({
    properties: { op: { enum: op }, ...(value && { value }) },
    required,
  });
  return {
    type: 'object',
    description:
      depth === 1
        ? 'A JSON Predicate (draft-snell-json-test-07) over the metadata of a session. Default: every session.'
        : 'A predicate; its path goes on from that of the one around it.',
    part: 'match',
    properties: {
      op: { type: 'string', description: 'What is asked.', enum: [...COMBINATIONS, ...first] },
      path: { type: 'string', description: 'A JSON pointer into the metadata.', maxLength: 1024 },
      value: anything('What is compared with; its type depends on `op`.'),
      ignore_case: { type: 'boolean', description: 'Whether capitals are as small letters. Default false.' },
      apply: {
        type: 'array',
        description: 'The predicates that `and`, `or` and `not` join.',
        minItems: 1,
        maxItems: 64,
        items: depth < DEPTH ? predicateSchema(depth + 1) : deeper(),
      },
    },
    required: ['op'],
    anyOf: [
      be(COMBINATIONS, ['apply']),
      be(WITHOUT_VALUE, path),
      be(compared, [...path, 'value']),
      ...Object.entries(VALUES).map(([op, value]) => be([op], [...path, 'value'], value)),
    ],
  };
}

function deeper(): Schema {
  return {
    type: 'object',
    description: 'A predicate. Those that stand deeper than this are looked at by the proxies only.',
    'x-kubernetes-preserve-unknown-fields': true,
  };
}
