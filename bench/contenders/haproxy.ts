import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../harness/types.ts';
import { output } from '../harness/version.ts';

/** HAProxy with one thread. Its limits are as high as 20,000 descriptors allow. */
function variant(name: string, options: readonly string[], unfit?: Contender['unfit']): Contender {
  return {
    name,
    group: 'peer',
    version: async () => (await output('haproxy', '-v')).match(/version (\S+)/)?.[1] ?? 'unknown',
    carries: {
      tcp: ({ listen, upstream, folder }) => {
        const config = join(folder, 'haproxy.cfg');
        writeFileSync(config, configuration(listen, upstream, options));
        return [{ file: 'haproxy', args: ['-q', '-db', '-f', config] }];
      },
    },
    ...(unfit && { unfit }),
  };
}

function configuration(listen: number, upstream: number, options: readonly string[]): string {
  return `global
  nbthread 1
  maxconn 9200
  maxpipes 400
  tune.bufsize 65536
defaults
  mode tcp
  maxconn 9200
  backlog 4096
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${options.map((option) => `  option ${option}\n`).join('')}
listen bench
  bind 127.0.0.1:${listen}
  server load 127.0.0.1:${upstream}
`;
}

export const haproxy = variant('haproxy', ['splice-auto']);

/** Without its own judgement on when splice(2) pays: much better in bulk, worse with small messages. */
export const haproxySplice = variant('haproxy (splice)', ['splice-request', 'splice-response'], ({ id }) =>
  id.startsWith('tcp-bulk') ? undefined : 'is haproxy as set up for bulk',
);
