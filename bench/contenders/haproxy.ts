import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../harness/types.ts';
import { output } from '../harness/version.ts';

/** HAProxy: one thread, splice(2) where it thinks that it pays. Its limits are as high as 20,000 descriptors allow. */
export const haproxy: Contender = {
  name: 'haproxy',
  group: 'peer',
  version: async () => (await output('haproxy', '-v')).match(/version (\S+)/)?.[1] ?? 'unknown',
  carries: {
    tcp: ({ listen, upstream, folder }) => {
      const config = join(folder, 'haproxy.cfg');
      writeFileSync(
        config,
        `global
  nbthread 1
  maxconn 9200
  maxpipes 400
  tune.listener.multi-queue off
defaults
  mode tcp
  maxconn 9200
  backlog 4096
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option splice-auto
listen bench
  bind 127.0.0.1:${listen}
  server load 127.0.0.1:${upstream}
`,
      );
      return [{ file: 'haproxy', args: ['-q', '-db', '-f', config] }];
    },
  },
};
