import type { Cluster } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { DialAttempt } from './dial-attempt.ts';

/** Connects to an endpoint as `like` does to another one, to tell the cluster whether it can be reached, and for nothing else. */
export function probe(cluster: Cluster, endpoint: Endpoint, { timeout, session }: DialAttempt): void {
  const attempt = new DialAttempt(endpoint, timeout, session, {
    connected: (tried, channel) => {
      cluster.outcome(tried);
      channel.close({ kind: 'end', message: 'the endpoint can be reached' });
    },
    failed: (tried, error) => cluster.outcome(tried, error),
  });
  attempt.run(cluster.dialer);
}
