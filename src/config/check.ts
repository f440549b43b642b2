import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import { parsePointer } from '../core/pointer.ts';

type Check = { Check(value: unknown): boolean; Errors(value: unknown): SchemaError[] };

interface SchemaError {
  readonly keyword: string;
  /** A URI fragment: where in the schema the keyword stands. */
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: { requiredProperties?: string[]; allowedValues?: unknown[]; type?: string | string[] };
}

/** Compiled schemas, by the schema itself: compiling costs more than checking. */
const compiled = new WeakMap<TSchema, Check>();

/** The value, if it fits the schema. Throws E_INVALID with the path of the field that does not. */
export function check<T extends TSchema>(schema: T, value: unknown, path: string): Static<T> {
  let validator = compiled.get(schema);
  if (!validator) {
    validator = Compile(schema) as unknown as Check;
    compiled.set(schema, validator);
  }
  if (validator.Check(value)) return value as Static<T>;
  throw explain(validator.Errors(value), schema, path);
}

/** Runs a check that names its field by a path of its own, below `path`. */
export function below<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const { code, message } = asL7mpError(error);
    throw new L7mpError(code, message.startsWith('/') ? `${path}${message}` : `${path}: ${message}`, { cause: error });
  }
}

// Where alternatives are allowed (a name or an object) each one has its errors: the deepest is of the one that was meant.
function explain(errors: readonly SchemaError[], schema: TSchema, path: string): L7mpError {
  const located = errors
    .filter(({ keyword }) => keyword !== 'additionalProperties' && keyword !== 'anyOf')
    .map((error) => ({ at: `${error.instancePath}${missing(error)}`, error }));
  const depth = (at: string): number => at.split('/').length;
  const worst = located.toSorted((a, b) => depth(b.at) - depth(a.at))[0];
  const at = `${path}${worst?.at ?? ''}` || '/';
  const same = located.filter((one) => one.at === worst?.at).map(({ error }) => error);
  return new L7mpError('E_INVALID', `${at}: ${same.length > 0 ? textOf(same, schema) : 'does not fit the schema'}`);
}

function missing({ params }: SchemaError): string {
  const field = params.requiredProperties?.[0];
  return field === undefined ? '' : `/${field}`;
}

/** What is wrong with one value. */
function textOf(errors: readonly SchemaError[], schema: TSchema): string {
  const [{ keyword, message, params, schemaPath }] = errors as [SchemaError];
  if (keyword === 'boolean') return 'unknown field';
  if (keyword === 'required') return 'missing';
  if (keyword === 'type') return `must be ${list(types(errors))}`;
  if (keyword === 'enum' && params.allowedValues) return `must be one of ${params.allowedValues.join(', ')}`;
  if (keyword === 'pattern') return `${message}${described(schema, schemaPath)}`;
  return message;
}

function types(errors: readonly SchemaError[]): string[] {
  return [...new Set(errors.flatMap(({ params: { type = [] } }) => type))];
}

function list(words: readonly string[]): string {
  return new Intl.ListFormat('en', { type: 'disjunction' }).format(words);
}

/** What the schema says of the value in words: a pattern says it to few. */
function described(schema: TSchema, schemaPath: string): string {
  let here: unknown = schema;
  for (const key of parsePointer(schemaPath.slice(1))) here = (here as Record<string, unknown> | undefined)?.[key];
  const { description } = (here ?? {}) as { description?: string };
  return description === undefined ? '' : ` (${description})`;
}
