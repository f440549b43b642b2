import type { Cluster } from '../cluster/cluster.ts';
import { asL7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

/** Has clusters go on in the files that have their paths now. What cannot be opened is told to the log. */
export async function reopenFiles(clusters: Iterable<Cluster>, log: Log): Promise<void> {
  const reopen = async ({ name, dialer }: Cluster): Promise<void> => {
    try {
      await dialer.reopen?.();
    } catch (error) {
      log.write('error', name, asL7mpError(error).message);
    }
  };
  await Promise.all([...clusters].map(reopen));
}
