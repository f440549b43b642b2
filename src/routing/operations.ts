import type { RE2JS } from 're2js';
import { Cidrs } from '../core/cidr.ts';
import { isDeeperThan, MAX_DEPTH } from '../core/depth.ts';
import { L7mpError } from '../core/errors.ts';
import type { Json } from '../core/metadata.ts';
import { ownValue } from '../core/own-value.ts';
import { fold, jsonEqual } from './equality.ts';
import type { Patterns } from './patterns.ts';
import { VALUE_TYPES } from './value-type.ts';

/** What a first-order predicate asks of its target. */
export interface Condition {
  /** The pointer of the predicate inside the match, with which error messages start: '' for the outermost. */
  readonly at: string;
  readonly value: Json | undefined;
  readonly ignoreCase: boolean;
  readonly patterns: Patterns;
}

/** Answers for the value at the predicate's path, undefined where there is none. */
export type Test = (target: Json | undefined) => boolean;

/**
 * Makes the test of one operation, once for each predicate: costs belong here and not into the test.
 *
 * @throws L7mpError E_INVALID (see `invalid`) where the operation cannot work with the condition's value
 */
export type Operation = (condition: Condition) => Test;

export type Operations = Readonly<Record<string, Operation>>;

/**
 * The first-order operations of draft-snell-json-test-07. The draft speaks of a value's "string
 * representation" without saying what it is; here, as in l7mp 0.5, only strings have one.
 */
export const OPERATIONS: Operations = {
  test: (condition) => {
    const value = anyValue(condition);
    return whereDefined((target) => jsonEqual(value, target, condition.ignoreCase));
  },
  contains,
  starts: (condition) => onFoldedStrings(condition, (target, value) => target.startsWith(value)),
  ends: (condition) => onFoldedStrings(condition, (target, value) => target.endsWith(value)),
  matches,
  in: (condition) => {
    const values = arrayValue(condition);
    return whereDefined((target) => values.some((value) => jsonEqual(value, target, condition.ignoreCase)));
  },
  less: (condition) => onNumbers(condition, (target, value) => target < value),
  more: (condition) => onNumbers(condition, (target, value) => target > value),
  cidr,
  defined: () => (target) => target !== undefined,
  undefined: () => (target) => target === undefined,
  type,
};

/** An error whose message starts with the place of the wrong field inside the match. */
export function invalid(at: string, text: string, options?: ErrorOptions): L7mpError {
  return new L7mpError('E_INVALID', `${at || '/'}: ${text}`, options);
}

/** A part of a string or, beyond the draft and as in l7mp 0.5, an element of an array. */
function contains(condition: Condition): Test {
  const { ignoreCase } = condition;
  const value = anyValue(condition);
  const part = typeof value === 'string' ? fold(value, ignoreCase) : undefined;
  return (target) => {
    if (Array.isArray(target)) return target.some((element) => jsonEqual(value, element, ignoreCase));
    return part !== undefined && typeof target === 'string' && fold(target, ignoreCase).includes(part);
  };
}

/** RE2's engine, whose time grows linearly with the target: targets come from the network. */
function matches(condition: Condition): Test {
  const pattern = compilePattern(condition, stringValue(condition));
  return (target) => typeof target === 'string' && pattern.test(target);
}

function compilePattern({ at, ignoreCase, patterns }: Condition, source: string): RE2JS {
  try {
    return patterns.compile(source, ignoreCase);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    // What the engine says of the syntax begins so.
    const hint = reason.startsWith('error parsing')
      ? "; the syntax is RE2's, which has no back-references and no look-around"
      : '';
    throw invalid(`${at}/value`, `${reason}${hint}`, { cause });
  }
}

/** An IP address, of whatever form, that is one of these or lies in one of them; what is no address does not. */
function cidr(condition: Condition): Test {
  const cidrs = cidrsOf(condition);
  return (target) => typeof target === 'string' && cidrs.has(target);
}

function cidrsOf(condition: Condition): Cidrs {
  const value = anyValue(condition);
  const all = Array.isArray(value) ? value : [value];
  for (const [n, one] of all.entries()) {
    const at = `${condition.at}/value${Array.isArray(value) ? `/${n}` : ''}`;
    if (typeof one !== 'string') throw invalid(at, 'must be an IP address or a CIDR, as a string');
    try {
      new Cidrs([one]);
    } catch (error) {
      throw invalid(at, `${JSON.stringify(one)} is not ${(error as Error).message}`);
    }
  }
  return new Cidrs(all as string[]);
}

function type(condition: Condition): Test {
  const name = stringValue(condition);
  const check = ownValue(VALUE_TYPES, name);
  if (check !== undefined) return check;
  const known = Object.keys(VALUE_TYPES).join(', ');
  throw invalid(`${condition.at}/value`, `unknown type ${JSON.stringify(name)}, expected one of ${known}`);
}

function whereDefined(test: (target: Json) => boolean): Test {
  return (target) => target !== undefined && test(target);
}

function onFoldedStrings(condition: Condition, test: (target: string, value: string) => boolean): Test {
  const { ignoreCase } = condition;
  const value = fold(stringValue(condition), ignoreCase);
  return (target) => typeof target === 'string' && test(fold(target, ignoreCase), value);
}

function onNumbers(condition: Condition, test: (target: number, value: number) => boolean): Test {
  const value = anyValue(condition);
  if (typeof value !== 'number' || Number.isNaN(value)) throw invalid(`${condition.at}/value`, 'must be a number');
  return (target) => typeof target === 'number' && test(target, value);
}

function stringValue(condition: Condition): string {
  const value = anyValue(condition);
  if (typeof value !== 'string') throw invalid(`${condition.at}/value`, 'must be a string');
  return value;
}

function arrayValue(condition: Condition): Json[] {
  const value = anyValue(condition);
  if (!Array.isArray(value)) throw invalid(`${condition.at}/value`, 'must be an array');
  return value;
}

function anyValue({ at, value }: Condition): Json {
  if (value === undefined) throw invalid(`${at}/value`, 'missing');
  if (isDeeperThan(value, MAX_DEPTH)) throw invalid(`${at}/value`, `nested deeper than ${MAX_DEPTH}`);
  return value;
}
