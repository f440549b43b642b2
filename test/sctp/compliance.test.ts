/** The compliance suite on SCTP. A machine whose kernel has none runs it in one that has. */

import { engines } from '../../src/io/testing.ts';
import { runCompliance } from '../../src/testing/compliance.ts';
import { freePort } from '../../src/testing/ports.ts';
import { hasSctp, testInUserModeLinux } from '../support/user-mode-linux/index.ts';

function comply(host: string): void {
  const native = engines().find(({ name }) => name === 'native');
  runCompliance({
    name: `SCTP on ${host}`,
    engine: native?.create,
    skip: native?.skip,
    specs: async () => {
      const port = await freePort();
      return {
        listener: { protocol: 'SCTP', port, address: host },
        cluster: { protocol: 'SCTP', port },
        address: host,
      };
    },
    smallest: 1,
  });
}

if (hasSctp()) {
  comply('127.0.0.1');
  comply('::1');
} else testInUserModeLinux(import.meta.filename);
