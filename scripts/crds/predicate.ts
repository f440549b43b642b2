/** The `match` of a rule. */
import { OPERATIONS } from '../../src/routing/operations.ts';
import { VALUE_TYPES } from '../../src/routing/value-type.ts';
import { anything, only, type Schema } from './schema.ts';

/** A structural schema cannot contain itself: so many predicates inside each other are looked into. */
const DEPTH = 3;

const COMBINATIONS = ['and', 'or', 'not'];

/** What `value` must be, by operation; anything for the others. */
const VALUES: Readonly<Record<string, Schema>> = {
  starts: only('string'),
  ends: only('string'),
  matches: only('string'),
  in: only('array'),
  cidr: only('string', 'array'),
  less: only('number'),
  more: only('number'),
  type: { enum: Object.keys(VALUE_TYPES) },
};

const WITHOUT_VALUE = ['defined', 'undefined'];

export function predicateSchema(depth = 1): Schema {
  const first = Object.keys(OPERATIONS);
  const all = [...COMBINATIONS, ...first];
  /** The API server tells what is wrong with the part that fits best: with `op` in both, that is the first. */
  const needs = (ops: readonly string[], required: readonly string[], value: Schema = {}): Schema => ({
    anyOf: [
      { required, properties: { op: { minLength: 1 }, value } },
      { properties: { op: { enum: all.filter((op) => !ops.includes(op)) } } },
    ],
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
    allOf: [
      needs(COMBINATIONS, ['apply']),
      ...(depth === 1
        ? [
            needs(first, ['path']),
            { anyOf: [{ required: ['path'] }, { properties: { apply: { items: located(2) } } }] },
          ]
        : []),
      needs(
        first.filter((op) => !WITHOUT_VALUE.includes(op)),
        ['value'],
      ),
      ...Object.entries(VALUES).map(([op, value]) => needs([op], ['value'], value)),
    ],
  };
}

/** One below others without a path: it has one of its own, or joins such as have. */
function located(depth: number): Schema {
  if (depth > DEPTH) return {};
  const joins = { op: { enum: COMBINATIONS }, apply: { items: located(depth + 1) } };
  return { anyOf: [{ required: ['path'] }, { properties: joins }] };
}

function deeper(): Schema {
  return {
    type: 'object',
    description: 'A predicate. Those that stand deeper than this are looked at by the proxies only.',
    'x-kubernetes-preserve-unknown-fields': true,
  };
}
