import type { RouteDefinition, RuleDefinition, RuleListDefinition } from '../model/definitions.ts';
import { compilePredicate, type Matcher } from './predicate.ts';
import { compileRewrite } from './rewrite.ts';

/** A rule, compiled once: what it matches and what it writes. */
export class Rule {
  readonly definition: RuleDefinition;
  /** Undefined where it matches everything, so that nothing needs the metadata. */
  readonly matches: Matcher | undefined;
  readonly rewrite: ReturnType<typeof compileRewrite> | undefined;

  /** Throws E_INVALID, with the field's path, where the match or the rewrite cannot be compiled. */
  constructor(definition: RuleDefinition) {
    this.definition = definition;
    const { match, rewrite } = definition;
    this.matches = typeof match === 'object' && 'op' in match ? compilePredicate(match) : undefined;
    this.rewrite = rewrite?.length ? compileRewrite(rewrite) : undefined;
  }
}

export class RuleList {
  readonly definition: RuleListDefinition;

  constructor(definition: RuleListDefinition) {
    this.definition = definition;
  }
}

export class Route {
  readonly definition: RouteDefinition;

  constructor(definition: RouteDefinition) {
    this.definition = definition;
  }
}
