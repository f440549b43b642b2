import type { Static, TSchema } from 'typebox';
import { asL7mpError, invalid, L7mpError, MAX_PROBLEMS, type Problem } from '../core/errors.ts';
import { explain } from './explain.ts';
import { fits } from './fits.ts';

/** The value, if it fits the schema. Throws E_INVALID with the paths of the fields that do not. */
export function check<T extends TSchema>(schema: T, value: unknown, path: string): Static<T> {
  const problems = problemsOf(schema, value, path);
  if (problems.length > 0) throw invalid(...problems);
  return value as Static<T>;
}

/** The first problems of a value; none where it fits. */
export function problemsOf(schema: TSchema, value: unknown, path: string): Problem[] {
  if (fits(schema, value)) return [];
  const problems = explain(schema, value, path);
  return problems.length > 0 ? problems : [{ path: path || '/', message: 'does not fit the schema' }];
}

/** Runs a check that names its fields by paths of its own, below `path`. */
export function below<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const { code, problems } = asL7mpError(error);
    const all = problems.map((problem) => ({ ...problem, path: `${path}${problem.path}` }));
    throw new L7mpError(code, invalid(...all).message, { cause: error, problems: all });
  }
}

/**
 * Runs a check, and keeps what is wrong for later: undefined then, and where there are problems enough to tell. Other
 * errors than E_INVALID are thrown.
 */
export function attempt<T>(problems: Problem[], run: () => T): T | undefined {
  if (problems.length >= MAX_PROBLEMS) return undefined;
  try {
    return run();
  } catch (error) {
    if (!(error instanceof L7mpError) || error.code !== 'E_INVALID') throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

/** The results of all checks. Throws what is wrong with any of them at once. */
export function gather<T extends readonly unknown[]>(checks: { readonly [K in keyof T]: () => T[K] }): T {
  const problems: Problem[] = [];
  const values = checks.map((run) => attempt(problems, run));
  if (problems.length > 0) throw invalid(...problems);
  return values as unknown as T;
}
