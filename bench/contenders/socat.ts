import { CERTIFIED, certificate } from '../harness/certificate.ts';
import type { Contender, Row } from '../harness/types.ts';
import { output } from '../harness/version.ts';

/** A process for each session, which does nothing but copy. 128 KiB buffers: its default of 8 KiB is slow in bulk. */
export const socat: Contender = {
  name: 'socat',
  group: 'peer',
  version: async () => (await output('socat', '-V')).match(/socat version (\S+)/)?.[1] ?? 'unknown',
  carries: {
    udp: ({ listen, upstream }) => [
      {
        file: 'socat',
        args: [`UDP4-LISTEN:${listen},bind=127.0.0.1,fork,reuseaddr,rcvbuf=4194304`, `UDP4:127.0.0.1:${upstream}`],
      },
    ],
    tcp: ({ listen, upstream }) => [
      {
        file: 'socat',
        args: [
          '-b131072',
          `TCP4-LISTEN:${listen},bind=127.0.0.1,fork,reuseaddr,backlog=4096,nodelay`,
          `TCP4:127.0.0.1:${upstream},nodelay`,
        ],
      },
    ],
    'udp-dtls-udp': ({ listen, middle, upstream, folder }) => {
      const { cert, both } = certificate(folder);
      const server = `OPENSSL-DTLS-SERVER:${middle},bind=127.0.0.1,fork,reuseaddr,cert=${both},verify=0`;
      const client = `OPENSSL-DTLS-CLIENT:127.0.0.1:${middle},cafile=${cert},commonname=${CERTIFIED}`;
      return [
        { file: 'socat', args: [server, `UDP4:127.0.0.1:${upstream}`] },
        { file: 'socat', args: [`UDP4-LISTEN:${listen},bind=127.0.0.1,fork,reuseaddr,rcvbuf=4194304`, client] },
      ];
    },
  },
  unfit: ({ id }: Row) =>
    ['memory-tcp', 'memory-udp', 'udp-1000x1', 'tcp-pingpong-500'].includes(id)
      ? 'would need a process for each session'
      : undefined,
};
