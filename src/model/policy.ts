/** How the endpoint of a session is chosen. HashRing and None are names that l7mp 0.5 knew. */
export const POLICIES = [
  'Trivial',
  'ConsistentHash',
  'HashRing',
  'RoundRobin',
  'Random',
  'LeastSessions',
  'None',
] as const;

export type Policy = (typeof POLICIES)[number];
