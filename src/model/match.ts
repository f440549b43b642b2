import type { Json } from '../core/metadata.ts';

/** A JSON Predicate (draft-snell-json-test-07), as a user writes it. */
export interface Predicate {
  /** One of the operations of `routing/`, or `and`, `or`, `not` over `apply`. */
  op: string;
  /** A JSON pointer: to the target or, of `and`, `or` and `not`, to what the paths in `apply` start from. */
  path?: string | undefined;
  value?: Json | undefined;
  ignore_case?: boolean | undefined;
  apply?: Predicate[] | undefined;
}

/** The `match` of a rule. Any string matches everything, and so does the form in which the API shows that. */
export type Match = undefined | string | { match: string } | Predicate;
