import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { asL7mpError, L7mpError } from '../core/errors.ts';

type Check = { Check(value: unknown): boolean; Errors(value: unknown): SchemaError[] };

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: { requiredProperties?: string[]; allowedValues?: unknown[] };
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
  throw explain(validator.Errors(value), path);
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
function explain(errors: readonly SchemaError[], path: string): L7mpError {
  const located = errors
    .filter(({ keyword }) => keyword !== 'additionalProperties' && keyword !== 'anyOf')
    .map((error) => ({ at: `${error.instancePath}${missing(error)}`, text: textOf(error) }));
  const depth = (at: string): number => at.split('/').length;
  const worst = located.sort((a, b) => depth(b.at) - depth(a.at))[0];
  return new L7mpError('E_INVALID', `${path}${worst?.at ?? ''}: ${worst?.text ?? 'does not fit the schema'}`);
}

function missing({ params }: SchemaError): string {
  const field = params.requiredProperties?.[0];
  return field === undefined ? '' : `/${field}`;
}

function textOf({ keyword, message, params }: SchemaError): string {
  if (keyword === 'boolean') return 'unknown field';
  if (keyword === 'required') return 'missing';
  if (keyword === 'enum' && params.allowedValues) return `must be one of ${params.allowedValues.join(', ')}`;
  return message;
}
