import type { Policy } from '../../model/policy.ts';
import type { Balancer, Candidate } from './balancer.ts';
import { ConsistentHash } from './consistent-hash.ts';
import { LeastSessions } from './least-sessions.ts';
import { Random } from './random.ts';
import { RoundRobin } from './round-robin.ts';
import { Trivial } from './trivial.ts';

export type { Balancer, Candidate } from './balancer.ts';

type Random01 = () => number;

/** A new policy is a file, a line here and its name in the model. */
const FACTORIES = {
  Trivial: <E extends Candidate>() => new Trivial<E>(),
  ConsistentHash: <E extends Candidate>(random: Random01) => new ConsistentHash<E>(random),
  HashRing: <E extends Candidate>(random: Random01) => new ConsistentHash<E>(random),
  RoundRobin: <E extends Candidate>() => new RoundRobin<E>(),
  Random: <E extends Candidate>(random: Random01) => new Random<E>(random),
  LeastSessions: <E extends Candidate>() => new LeastSessions<E>(),
  None: <E extends Candidate>() => new Trivial<E>(),
} satisfies Record<Policy, <E extends Candidate>(random: Random01) => Balancer<E>>;

/** A balancer without endpoints yet. `random` is for tests that must repeat. */
export function createBalancer<E extends Candidate>(policy: Policy, random: Random01 = Math.random): Balancer<E> {
  return FACTORIES[policy]<E>(random);
}
