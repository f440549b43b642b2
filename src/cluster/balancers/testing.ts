import { seededRandom } from '../../../test/support/random.ts';
import type { Policy } from '../../model/policy.ts';
import type { Candidate } from './balancer.ts';
import { type Balancer, createBalancer } from './index.ts';

/** Tests change weights and load as a cluster does. */
export type TestEndpoint = { -readonly [K in keyof Candidate]: Candidate[K] };

export const NONE: ReadonlySet<TestEndpoint> = new Set();

export function endpoint(address: string, weight = 1, load = 0): TestEndpoint {
  return { address, weight, load };
}

export function balancerOf(policy: Policy, endpoints: readonly TestEndpoint[]): Balancer<TestEndpoint> {
  const balancer = createBalancer<TestEndpoint>(policy, seededRandom(7));
  balancer.update(endpoints);
  return balancer;
}

/** The addresses of the next picks, joined: `abac`. */
export function sequence(balancer: Balancer<TestEndpoint>, length: number, failed = NONE): string {
  return Array.from({ length }, () => balancer.pick(undefined, failed, NONE)?.address ?? '-').join('');
}

/** The share of each endpoint, in the order given, of `total` picks; `keyOf` for sticky policies. */
export function shares(
  balancer: Balancer<TestEndpoint>,
  endpoints: readonly TestEndpoint[],
  total: number,
  keyOf?: (n: number) => string,
): number[] {
  const counts = new Map<TestEndpoint | undefined, number>();
  for (let n = 0; n < total; n++) {
    const picked = balancer.pick(keyOf?.(n), NONE, NONE);
    counts.set(picked, (counts.get(picked) ?? 0) + 1);
  }
  return endpoints.map((one) => (counts.get(one) ?? 0) / total);
}
