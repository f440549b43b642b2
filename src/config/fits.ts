import type { TSchema } from 'typebox';
import { Check, Compile } from 'typebox/schema';

/** Checks of one schema before it is compiled: code costs time and memory that a schema of a few objects never earns. */
const UNCOMPILED = 8;

type Fits = (value: unknown) => boolean;

const compiled = new WeakMap<TSchema, Fits>();
const checks = new WeakMap<TSchema, number>();

/** Whether a value fits a schema. */
export function fits(schema: TSchema, value: unknown): boolean {
  const check = compiled.get(schema);
  if (check) return check(value);
  const count = (checks.get(schema) ?? 0) + 1;
  checks.set(schema, count);
  if (count <= UNCOMPILED) return Check(schema, value);
  const validator = Compile(schema);
  compiled.set(schema, (other) => validator.Check(other));
  return validator.Check(value);
}
