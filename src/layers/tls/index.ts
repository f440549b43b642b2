import type { Layer } from '../../core/layers.ts';
import { checkClient, checkServer, filesOf, secretsOf } from './check.ts';
import { clientFields, serverFields } from './fields.ts';
import { clientOf, serverOf } from './settings.ts';

/** What runs it is loaded when it is used first: node:tls and what stands on it take megabytes, in each thread. */
export const tls: Layer = {
  name: 'tls',
  title: 'TLS 1.2 and 1.3 (RFC 5246, RFC 8446): encrypted, with certificates.',
  needs: 'needs a byte stream',
  suits: ({ kind, lossy }) => kind === 'stream' && !lossy,
  listener: {
    schema: { tls: serverFields },
    live: ['/spec/tls'],
    files: (spec) => filesOf(serverOf(spec)),
    secrets: (spec) => secretsOf(serverOf(spec)),
    check: (spec) => checkServer(serverOf(spec)),
    listen: async (spec, below, host) => (await import('./run.ts')).listen(spec, below, host),
  },
  cluster: {
    schema: { tls: clientFields },
    live: ['/spec/tls'],
    files: (spec) => filesOf(clientOf(spec)),
    secrets: (spec) => secretsOf(clientOf(spec)),
    check: (spec) => checkClient(clientOf(spec)),
    open: async (spec, below, host) => (await import('./run.ts')).open(spec, below, host),
  },
};
