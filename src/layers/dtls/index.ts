import type { Layer } from '../../core/layers.ts';
import { checkClient, checkServer, filesOf, secretsOf } from '../tls/check.ts';
import { dtlsClientFields, dtlsServerFields } from './fields.ts';
import { clientOf, serverOf } from './settings.ts';

/** What runs it is loaded when it is used first. */
export const dtls: Layer = {
  name: 'tls',
  title: 'DTLS 1.2 (RFC 6347): encrypted datagrams, with certificates.',
  needs: 'needs a byte stream, or UDP',
  suits: ({ protocol }) => protocol === 'UDP',
  listener: {
    schema: { tls: dtlsServerFields },
    live: ['/spec/tls'],
    files: (spec) => filesOf(serverOf(spec)),
    secrets: (spec) => secretsOf(serverOf(spec)),
    check: (spec) => checkServer(serverOf(spec)),
    listen: async (spec, below, host) => (await import('./run.ts')).listen(spec, below, host),
  },
  cluster: {
    schema: { tls: dtlsClientFields },
    live: ['/spec/tls'],
    files: (spec) => filesOf(clientOf(spec)),
    secrets: (spec) => secretsOf(clientOf(spec)),
    check: (spec) => checkClient(clientOf(spec)),
    open: async (spec, below, host) => (await import('./run.ts')).open(spec, below, host),
  },
};
