import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CERTIFIED, certificate } from '../harness/certificate.ts';
import type { Command, Contender, Place } from '../harness/types.ts';
import { output } from '../harness/version.ts';

/** HAProxy with one thread. Its limits are as high as 20,000 descriptors allow. */
function variant(name: string, options: readonly string[], unfit?: Contender['unfit']): Contender {
  return {
    name,
    group: 'peer',
    version: async () => (await output('haproxy', '-v')).match(/version (\S+)/)?.[1] ?? 'unknown',
    carries: {
      tcp: (place) => run(place, configuration('tcp', options, relay(place))),
      'tcp-tls-tcp': (place) =>
        run(place, configuration('tcp', [], encrypted(place, ' no-tls-tickets', ' no-ssl-reuse'))),
      'tcp-tls-tcp-resumed': (place) => run(place, configuration('tcp', [], encrypted(place))),
      http: (place) => run(place, configuration('http', [], answer(place))),
      http2: (place) => run(place, configuration('http', [], answer(place))),
      'http-proxied': (place) => run(place, configuration('http', [], `${relay(place)}\n  http-reuse always`)),
      websocket: (place) => run(place, configuration('http', [], relay(place))),
    },
    ...(unfit && { unfit }),
  };
}

function run({ folder }: Place, text: string): Command[] {
  const config = join(folder, 'haproxy.cfg');
  writeFileSync(config, text);
  return [{ file: 'haproxy', args: ['-q', '-db', '-f', config] }];
}

function configuration(mode: 'tcp' | 'http', options: readonly string[], listen: string): string {
  return `global
  nbthread 1
  maxconn 9200
  maxpipes 400
  tune.bufsize 65536
defaults
  mode ${mode}
  maxconn 9200
  backlog 4096
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
${options.map((option) => `  option ${option}\n`).join('')}
${listen}
`;
}

function relay({ listen, upstream }: Place): string {
  return `listen bench
  bind 127.0.0.1:${listen}
  server load 127.0.0.1:${upstream}`;
}

/** Two hops, with TLS between them. `bind`, `server`: what else is said of either side. */
function encrypted({ listen, middle, upstream, folder }: Place, bind = '', server = ''): string {
  const { cert, both } = certificate(folder);
  return `listen far
  bind 127.0.0.1:${middle} ssl crt ${both} curves X25519${bind}
  server load 127.0.0.1:${upstream}
listen bench
  bind 127.0.0.1:${listen}
  server far 127.0.0.1:${middle} ssl verify required ca-file ${cert} verifyhost ${CERTIFIED}${server}`;
}

function answer({ listen }: Place): string {
  return `frontend bench
  bind 127.0.0.1:${listen}
  http-request return status 200`;
}

export const haproxy = variant('haproxy', ['splice-auto']);

/** Without its own judgement on when splice(2) pays: much better in bulk, worse with small messages. */
export const haproxySplice = variant('haproxy (splice)', ['splice-request', 'splice-response'], ({ id }) =>
  id.startsWith('tcp-bulk') ? undefined : 'is haproxy as set up for bulk',
);
