/** The compliance suite on SCTP. It runs in a kernel that is a program, which has SCTP. */

import type { Spec } from '../../src/core/protocol.ts';
import { engines } from '../../src/io/testing.ts';
import { runCompliance } from '../../src/testing/compliance.ts';
import { freePort } from '../../src/testing/ports.ts';
import { isInside, testInUserModeLinux } from '../support/user-mode-linux/index.ts';

function comply(host: string, wrap: (spec: Spec) => Spec = (spec) => spec): void {
  const native = engines().find(({ name }) => name === 'native');
  runCompliance({
    name: `${wrap({ protocol: '' }).protocol}SCTP on ${host}`,
    engine: native?.create,
    skip: native?.skip,
    specs: async () => {
      const port = await freePort();
      return {
        listener: wrap({ protocol: 'SCTP', port, address: host }),
        cluster: wrap({ protocol: 'SCTP', port }),
        address: host,
      };
    },
    smallest: 1,
  });
}

if (isInside()) {
  comply('127.0.0.1');
  comply('::1');
  comply('127.0.0.1', (transport) => ({ protocol: 'JSONSocket', transport }));
} else testInUserModeLinux(import.meta.filename);
