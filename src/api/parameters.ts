/** The parameters that may stand in a query, in one table: how they are read, and what the OpenAPI document says. */
import type { TObject } from 'typebox';
import { Cidrs } from '../core/cidr.ts';
import { L7mpError } from '../core/errors.ts';
import type { SessionQuery } from '../data-plane/contract.ts';
import { SESSION_STATUSES } from '../session/list.ts';
import { SessionAnswer } from './answers.ts';
import { STYLES, type Style } from './format.ts';

/** Sessions in one answer, where nobody says how many, and at most. */
export const DEFAULT_LIMIT = 1000;
export const MAX_LIMIT = 10_000;

/** A query, read. */
export interface Query extends Omit<SessionQuery, 'count'> {
  readonly recursive: boolean;
  readonly format: Style;
  readonly dry_run: boolean;
  readonly force: boolean;
  readonly form: 'apply' | undefined;
  readonly sessions: 'end' | undefined;
}

export type ParameterName = keyof Query;

interface Parameter<T> {
  readonly description: string;
  /** A JSON Schema. */
  readonly schema: object;
  /** What there is without it. */
  readonly byDefault: T;
  /** Throws what is expected, in words. */
  read(text: string): T;
}

export const PARAMETERS: { readonly [K in ParameterName]-?: Parameter<Query[K]> } = {
  recursive: flag(
    'On a read: what is referred to, too. On a deletion: what was written inline, too, and the sessions.',
  ),
  format: {
    description: 'How the answer is laid out.',
    schema: { enum: Object.keys(STYLES), default: 'plain' },
    byDefault: 'plain',
    read: (text) => oneOf(Object.keys(STYLES) as Style[], text),
  },
  dry_run: flag('Only says what the change would do.'),
  force: flag('Also where the listener goes, or is opened anew, through which the request came.'),
  form: {
    description: '`apply`: as one would write it, so that it can be PUT back; without sessions.',
    schema: { enum: ['apply'] },
    byDefault: undefined,
    read: (text) => oneOf(['apply'] as const, text),
  },
  sessions: {
    description:
      '`end`: the sessions of listeners that go end, and those on endpoints that go are disconnected. Without it, live sessions go on with what they have.',
    schema: { enum: ['end'] },
    byDefault: undefined,
    read: (text) => oneOf(['end'] as const, text),
  },
  limit: {
    description: 'Sessions in the answer, at most.',
    schema: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
    byDefault: DEFAULT_LIMIT,
    read: (text) => integer(text, 1, MAX_LIMIT),
  },
  after: {
    description: 'Goes on where an earlier answer has ended: the cursor of its `Link`.',
    schema: { type: 'string', pattern: '^\\d+$' },
    byDefault: 0,
    read: (text) => integer(text, 0, Number.MAX_SAFE_INTEGER),
  },
  listener: text('Only sessions of this listener.'),
  cluster: text('Only sessions that go through this cluster.'),
  endpoint: text('Only sessions that are at this endpoint.'),
  status: {
    description: 'Only sessions of this status.',
    schema: { enum: SESSION_STATUSES },
    byDefault: undefined,
    read: (given) => oneOf(SESSION_STATUSES, given),
  },
  peer: {
    description: 'Only sessions of clients at this IP address, or at those of this CIDR.',
    schema: { type: 'string' },
    byDefault: undefined,
    read: (given) => {
      new Cidrs([given]);
      return given;
    },
  },
  fields: {
    description: 'The fields to show of each session, separated by commas.',
    schema: { type: 'string' },
    byDefault: undefined,
    read: (given) => given.split(',').map((field) => oneOf(SESSION_FIELDS, field)),
  },
};

/** Those that narrow a list of sessions down. */
export const LISTING = [
  'limit',
  'after',
  'listener',
  'cluster',
  'endpoint',
  'status',
  'peer',
  'fields',
] as const satisfies ParameterName[];

const SESSION_FIELDS = Object.keys((SessionAnswer as TObject).properties);

/** The query of an operation that knows these parameters. Throws E_REQUEST, which lists them. */
export function readQuery(given: URLSearchParams, known: readonly ParameterName[]): Query {
  const query: Record<string, unknown> = Object.fromEntries(
    Object.entries(PARAMETERS).map(([name, { byDefault }]) => [name, byDefault]),
  );
  const seen = new Set<string>();
  for (const [name, value] of given) {
    if (!known.includes(name as ParameterName)) {
      throw invalid(name, `is no parameter of this operation; there are ${known.join(', ')}`);
    }
    if (seen.has(name)) throw invalid(name, 'is given twice');
    seen.add(name);
    query[name] = read(name as ParameterName, value);
  }
  return query as unknown as Query;
}

/** The layout that is asked for, also where the rest of the query is of no use. */
export function styleOf(given: URLSearchParams): Style {
  const style = given.get('format') ?? 'plain';
  return Object.hasOwn(STYLES, style) ? (style as Style) : 'plain';
}

function read(name: ParameterName, value: string): unknown {
  try {
    return PARAMETERS[name].read(value);
  } catch (expected) {
    throw invalid(name, `must be ${(expected as Error).message}, not ${JSON.stringify(value)}`);
  }
}

function invalid(name: string, text: string): L7mpError {
  return new L7mpError('E_REQUEST', `?${name}: ${text}`);
}

// -------------------------------------------------------------------- kinds of values

/** Says what would have been right. */
class Expected extends Error {}

function text(description: string): Parameter<string | undefined> {
  return { description, schema: { type: 'string' }, byDefault: undefined, read: (given) => given };
}

/** A misspelt one would do less, or more, than was meant. */
function flag(description: string): Parameter<boolean> {
  return {
    description,
    schema: { type: 'boolean', default: false },
    byDefault: false,
    read: (given) => oneOf(['true', 'false'], given) === 'true',
  };
}

function oneOf<T extends string>(values: readonly T[], given: string): T {
  const found = values.find((value) => value === given);
  if (found === undefined) throw new Expected(`one of ${values.join(', ')}`);
  return found;
}

function integer(given: string, least: number, most: number): number {
  const value = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Expected(`an integer from ${least} to ${most}`);
}
