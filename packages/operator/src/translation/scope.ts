/** Where an object stands, and what its references and selectors mean from there. */
import { mayRefer } from '../resources/grants.ts';
import type { Kind } from '../resources/kinds.ts';
import { fullName, parseReference, type Reference } from '../resources/names.ts';
import type { Requirement, Selector, Service } from '../resources/objects.ts';
import { NO_PODS, type Query } from '../resources/selectors.ts';
import type { Reader } from './inputs.ts';

/** Why a reference leads nowhere: reasons of the condition ResolvedRefs, as the Gateway API has them. */
export interface Problem {
  readonly reason: 'RefNotFound' | 'RefNotPermitted';
  readonly message: string;
}

/** What a reference has led to: an object of that kind, or a derived one of that name. */
export interface Found {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly fullName: string;
}

interface Place {
  readonly kind: Kind;
  readonly namespace: string;
  /** A derived object: its references were looked at by who made it. */
  readonly trusted: boolean;
  /** Nothing needs a ReferenceGrant. */
  readonly open: boolean;
}

export class Scope {
  readonly problems: Problem[];
  readonly reader: Reader;
  readonly #place: Place;

  constructor(reader: Reader, place: Place, problems: Problem[] = []) {
    this.reader = reader;
    this.problems = problems;
    this.#place = place;
  }

  /** That of another object; its problems are told of here. */
  within(kind: Kind, namespace: string): Scope {
    return new Scope(this.reader, { ...this.#place, kind, namespace }, this.problems);
  }

  /** A bare name is that of the first of these kinds that has it. Where it leads nowhere, the problem is noted, too. */
  find(text: string, kinds: readonly Kind[]): Found | Problem {
    const { namespace: here, trusted } = this.#place;
    const derived = trusted ? this.reader.derived(text) : undefined;
    if (derived && kinds.includes(derived.kind)) {
      const { namespace, name } = derived.metadata;
      return { kind: derived.kind, namespace, name, fullName: text };
    }
    const reference = parseReference(text, here);
    if (!reference || (reference.kind && !kinds.includes(reference.kind))) {
      return this.fail('RefNotFound', `${JSON.stringify(text)} is no name of a ${kinds.join(' or ')}`);
    }
    return this.#findObject(reference, reference.kind ? [reference.kind] : kinds);
  }

  /** The pods that a selector means. What it refers to and is not there, or not for this namespace, matches none. */
  select(selector: Selector): Query {
    const { matchLabels = {}, matchExpressions = [], matchFields = [], matchService } = selector;
    const namespaces = this.#namespacesOf(selector);
    if (namespaces?.length === 0) return NO_PODS;
    const behind = matchService === undefined ? EVERY_POD : this.#podsBehind(matchService);
    return {
      ...(namespaces && { namespaces }),
      labels: [...Object.entries(matchLabels), ...behind.labels],
      expressions: matchExpressions,
      fields: [...matchFields, ...behind.fields],
    };
  }

  /** Notes a problem. */
  fail(reason: Problem['reason'], message: string): Problem {
    const problem = { reason, message };
    this.problems.push(problem);
    return problem;
  }

  // ------------------------------------------------------------------ own

  #findObject({ namespace, name }: Reference, kinds: readonly Kind[]): Found | Problem {
    const [first] = kinds as [Kind];
    if (!kinds.some((kind) => this.#isPermitted(kind, namespace, name))) {
      return this.fail(
        'RefNotPermitted',
        `no ReferenceGrant in ${namespace} lets ${this.#who()} refer to the ${first} ${name}`,
      );
    }
    const kind = kinds.find((one) => this.reader.object(one, namespace, name));
    if (kind) return { kind, namespace, name, fullName: fullName(kind, namespace, name) };
    return this.fail('RefNotFound', `there is no ${kinds.join(' or ')} ${name} in ${namespace}`);
  }

  #isPermitted(kind: Kind, namespace: string, name?: string): boolean {
    const { open, trusted, ...from } = this.#place;
    return open || trusted || mayRefer(from, { kind, namespace, name }, (of) => this.reader.grants(of));
  }

  /** Undefined: all. Those that are not for this object are left out. */
  #namespacesOf({ matchNamespace, matchFields = [] }: Selector): string[] | undefined {
    const inFields = matchFields.filter(({ key }) => key === 'metadata.namespace');
    if (matchNamespace === undefined && this.#place.open && inFields.length > 0) return undefined;
    const named = inFields.flatMap(({ operator, values = [] }) => (operator === 'In' ? values : []));
    const wanted = matchNamespace === undefined ? named : [matchNamespace];
    if (wanted.length === 0) return [this.#place.namespace];
    return [...new Set(wanted)].filter((namespace) => {
      if (this.#isPermitted('Pod', namespace)) return true;
      this.fail('RefNotPermitted', `no ReferenceGrant in ${namespace} lets ${this.#who()} select its Pods`);
      return false;
    });
  }

  /** The Service is one of the object's own namespace, and its pods are there, too. */
  #podsBehind(name: string): Behind {
    const { namespace } = this.#place;
    const service = this.reader.object('Service', namespace, name);
    if (!service) this.fail('RefNotFound', `there is no Service ${name} in ${namespace}`);
    const labels = Object.entries(service?.spec.selector ?? {});
    const fields: Requirement[] = [{ key: 'metadata.namespace', operator: 'In', values: [namespace] }];
    if (labels.length > 0) return { labels, fields };
    const values = service ? this.#podsInSlices(service) : [];
    return { labels, fields: [...fields, { key: 'metadata.name', operator: 'In', values }] };
  }

  /** Somebody else than Kubernetes says what is behind a Service without a selector. */
  #podsInSlices({ metadata: { namespace, name } }: Service): string[] {
    const endpoints = this.reader.slices(namespace, name).flatMap((slice) => slice.endpoints ?? []);
    const pods = endpoints.flatMap(({ targetRef }) => (targetRef?.kind === 'Pod' ? (targetRef.name ?? []) : []));
    return [...new Set(pods)].sort();
  }

  #who(): string {
    const { kind, namespace } = this.#place;
    return `a ${kind} of ${namespace}`;
  }
}

interface Behind {
  readonly labels: readonly (readonly [string, string])[];
  readonly fields: readonly Requirement[];
}

const EVERY_POD: Behind = { labels: [], fields: [] };
