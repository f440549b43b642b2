/** SCTP listeners with other cluster protocols, and other listener protocols with SCTP clusters. */
import { DESTINATIONS, network } from '../matrix/destinations.ts';
import { runPairs } from '../matrix/pairs.ts';
import { internet, SOURCES, type Source } from '../matrix/sources.ts';
import { isInside, testInUserModeLinux } from '../support/user-mode-linux/index.ts';
import { connectSctp, serveSctp } from './channel-peers.ts';

/** What a message has at most: what the kernel's send buffer holds (net.core.wmem_default). */
const LARGEST = 212_992;

const SCTP: Source = {
  name: 'SCTP',
  kind: 'datagram',
  spec: ({ port }) => ({ protocol: 'SCTP', port, address: '127.0.0.1' }),
  connect: (t, { port }) => connectSctp(t, port),
  session: internet('SCTP', 'SCTP', false),
  largest: LARGEST,
  smallest: 1,
  connected: true,
  native: true,
};

const TO_SCTP = network(
  'SCTP',
  async (t, options) => {
    const server = await serveSctp(t, options);
    return { server, spec: { protocol: 'SCTP', port: server.port } };
  },
  { kind: 'datagram', largest: LARGEST, smallest: 1, connected: true, native: true },
);

/** A matrix takes its time there: no layer on a transport that is tried itself, and one of each kind. */
const OTHERS = ['UDP', 'TCP', 'WebSocket'];

if (isInside()) {
  runPairs([SCTP], [TO_SCTP, ...DESTINATIONS.filter(({ name }) => [...OTHERS, 'Echo'].includes(name))]);
  runPairs(
    SOURCES.filter(({ name }) => OTHERS.includes(name)),
    [TO_SCTP],
  );
} else testInUserModeLinux(import.meta.filename);
