/**
 * What is wrong with a value that does not fit a schema, in words: every field by itself, the one that was meant where a
 * value could be several things, and for a field that is not known the nearest one.
 */

import type { TSchema } from 'typebox';
import { Check, Errors } from 'typebox/schema';
import { MAX_PROBLEMS, type Problem } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { ownValue } from '../core/own-value.ts';
import { formatPointer } from '../core/pointer.ts';

/** The parts of a JSON Schema that are walked here; the rest is left to the library. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly description?: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** The first problems, in the order of the value; none where it fits. */
export function explain(schema: TSchema, value: unknown, path: string): Problem[] {
  const problems: Problem[] = [];
  look(schema as Schema, value, path, problems);
  return problems;
}

function look(schema: Schema, value: unknown, path: string, problems: Problem[]): void {
  if (problems.length >= MAX_PROBLEMS) return;
  if (schema.anyOf) lookAtAny(schema.anyOf, value, path, problems);
  else if (schema.type === 'object' && schema.properties && isObject(value))
    lookAtObject(schema, value, path, problems);
  else if (schema.type === 'array' && schema.items && Array.isArray(value)) lookAtList(schema, value, path, problems);
  else if (!Check(schema as TSchema, value)) problems.push({ path: path || '/', message: textOf(schema, value) });
}

function lookAtObject(schema: Schema, value: Fields, path: string, problems: Problem[]): void {
  const { properties = {}, required = [] } = schema;
  const missing = new Set(required.filter((field) => !Object.hasOwn(value, field)));
  const pathOf = (field: string): string => `${path}${formatPointer([field])}`;
  for (const [field, one] of Object.entries(value)) {
    if (problems.length >= MAX_PROBLEMS) return;
    const known = ownValue(properties, field);
    if (known) look(known, one, pathOf(field), problems);
    else {
      const message = unknownField(schema, value, field, missing);
      if (message !== undefined) problems.push({ path: pathOf(field), message });
    }
  }
  problems.push(...[...missing].map((field) => ({ path: pathOf(field), message: 'missing' })));
  problems.splice(MAX_PROBLEMS);
}

/**
 * What to say of a field that the schema does not know. Where others are allowed it is only taken for one that is
 * missing. That one is found then, under another name.
 */
function unknownField(schema: Schema, value: Fields, field: string, missing: Set<string>): string | undefined {
  const isClosed = schema.additionalProperties === false;
  const left = Object.keys(schema.properties ?? {}).filter((name) => !Object.hasOwn(value, name));
  const meant = nearest(field, isClosed ? left : missing);
  if (meant === undefined) return isClosed ? 'unknown field' : undefined;
  missing.delete(meant);
  return `unknown field; did you mean ${meant}?`;
}

function lookAtList(schema: Schema, value: readonly unknown[], path: string, problems: Problem[]): void {
  // How many there are; the items are looked at one by one.
  const { items, ...list } = schema;
  if (!Check(list as TSchema, value)) {
    problems.push({ path: path || '/', message: textOf(list, value) });
    return;
  }
  for (const [n, one] of value.entries()) {
    if (problems.length >= MAX_PROBLEMS) return;
    look(items as Schema, one, `${path}/${n}`, problems);
  }
}

/** Of alternatives (a name or an object) the one that was meant is that of the value's type; of several, the best. */
function lookAtAny(alternatives: readonly Schema[], value: unknown, path: string, problems: Problem[]): void {
  const flat = alternatives.flatMap((one) => one.anyOf ?? [one]);
  const candidates = flat.filter((one) => one.type === undefined || Check({ type: one.type } as TSchema, value));
  const tries = candidates.map((one) => explain(one as TSchema, value, path));
  const best = tries.toSorted((a, b) => a.length - b.length)[0];
  if (best) problems.push(...best.slice(0, MAX_PROBLEMS - problems.length));
  else problems.push({ path: path || '/', message: `must be ${list(flat.flatMap(({ type }) => type ?? []))}` });
}

/** What is wrong with one value, in the words of the first thing that is. */
function textOf(schema: Schema, value: unknown): string {
  const [, [error]] = Errors(schema as TSchema, value);
  if (error?.keyword === 'type') return `must be ${list([schema.type ?? 'something else'])}`;
  if (error?.keyword === 'enum' && schema.enum) return `must be one of ${schema.enum.join(', ')}`;
  if (error?.keyword === 'const') return `must be ${JSON.stringify(schema.const)}`;
  // A pattern says to few what it takes.
  if (error?.keyword === 'pattern' && schema.description) return `${error.message} (${schema.description})`;
  return error?.message ?? 'does not fit the schema';
}

function list(words: readonly string[]): string {
  return new Intl.ListFormat('en', { type: 'disjunction' }).format(new Set(words));
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
