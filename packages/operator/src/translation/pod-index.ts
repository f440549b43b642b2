/**
 * Which queries may mean a pod, and which pods a query may mean, without asking all of them: by namespace, and by one of the
 * labels that the query wants.
 */
import type { Pod } from '../resources/objects.ts';
import type { Query } from '../resources/selectors.ts';

/** Stands for all namespaces; no namespace has this name. */
const EVERYWHERE = '*';

export class Index<P, Q> {
  readonly #pods = new Buckets<P>();
  readonly #queries = new Buckets<Q>();

  addPod(pod: Pod, value: P): void {
    for (const bucket of bucketsOf(pod)) this.#pods.add(bucket, value);
  }

  removePod(pod: Pod, value: P): void {
    for (const bucket of bucketsOf(pod)) this.#pods.remove(bucket, value);
  }

  addQuery(query: Query, value: Q): void {
    for (const bucket of bucketsFor(query)) this.#queries.add(bucket, value);
  }

  removeQuery(query: Query, value: Q): void {
    for (const bucket of bucketsFor(query)) this.#queries.remove(bucket, value);
  }

  podsFor(query: Query): Set<P> {
    return this.#pods.union(bucketsFor(query));
  }

  queriesFor(pod: Pod): Set<Q> {
    return this.#queries.union(bucketsOf(pod));
  }
}

/** A pod is in all of these. */
function bucketsOf({ metadata }: Pod): string[] {
  const labels = Object.entries(metadata.labels);
  return [metadata.namespace, EVERYWHERE].flatMap((namespace) => [
    namespace,
    ...labels.map(([key, value]) => `${namespace} ${key}=${value}`),
  ]);
}

/** A query's pods are all in one of these. */
function bucketsFor({ namespaces = [EVERYWHERE], labels: [label] }: Query): string[] {
  return namespaces.map((namespace) => (label ? `${namespace} ${label[0]}=${label[1]}` : namespace));
}

class Buckets<T> {
  readonly #buckets = new Map<string, Set<T>>();

  add(bucket: string, value: T): void {
    const values = this.#buckets.get(bucket);
    if (values) values.add(value);
    else this.#buckets.set(bucket, new Set([value]));
  }

  remove(bucket: string, value: T): void {
    const values = this.#buckets.get(bucket);
    values?.delete(value);
    if (values?.size === 0) this.#buckets.delete(bucket);
  }

  union(buckets: readonly string[]): Set<T> {
    return new Set(buckets.flatMap((bucket) => [...(this.#buckets.get(bucket) ?? [])]));
  }
}
