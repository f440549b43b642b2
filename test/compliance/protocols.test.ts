import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Spec } from '../../src/core/protocol.ts';
import { engines } from '../../src/io/testing.ts';
import { runCompliance } from '../../src/testing/compliance.ts';
import { createMemoryNetwork } from '../../src/testing/memory/index.ts';
import { freePort, freePorts } from '../../src/testing/ports.ts';
import type { CaseName, Subject } from '../../src/testing/subject.ts';
import { Authority, texts } from '../support/certificates.ts';

const HOST = '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'l7mp-compliance-'));
after(() => rmSync(folder, { recursive: true }));

type Skips = Partial<Record<CaseName, string>>;

const LOSSY: Skips = {
  'peer death': 'UDP does not tell that a peer is gone',
  'close reason': 'UDP does not tell that a peer is gone',
};

const WEBSOCKET: Skips = { 'peer death': 'a WebSocket is closed with 1011, in order' };
const UNIX: Skips = { 'peer death': 'UNIX sockets tell of a reset only where data was left unread' };

const HTTP: Skips = {
  'full, then closed': 'a body that is not whole must not look so: it is broken off, but where the reason is an end',
  'close for each reason':
    'a body that is not whole must not look so: it is broken off, but where the reason is an end',
};

const DGRAM: Skips = {
  'peer death': 'UNIX datagrams do not tell that a peer is gone',
  'close reason': 'UNIX datagrams do not tell that a peer is gone',
};

const BEGINS = 'a session on FIFOs begins with the first byte from the client';
const ONE = 'a listener on FIFOs has one session, whoever writes';
const UNTOLD = 'a FIFO does not tell that nobody writes to it, or reads it, any more';
const PIPE: Skips = {
  'early data': ONE,
  'the server speaks first': BEGINS,
  'held reader': ONE,
  'full, then closed': UNTOLD,
  'half-close': UNTOLD,
  'close reason': UNTOLD,
  'close for each reason': UNTOLD,
  'peer death': UNTOLD,
  refusal: UNTOLD,
};

const memory = createMemoryNetwork();

function inMemory(kind: 'datagram' | 'stream', scribble: boolean): Subject {
  return {
    name: `Memory (${kind}${scribble ? ', buffers overwritten' : ''})`,
    protocols: [memory],
    specs: async () => {
      const name = randomUUID();
      const listener = { protocol: 'Memory', name, kind, scribble };
      return { listener, cluster: { protocol: 'Memory', kind }, address: name };
    },
  };
}

function overPort(
  protocol: string,
  skips: Skips = {},
  wrap: (spec: Spec) => Spec = (spec) => spec,
  host = HOST,
): Subject {
  return {
    name: `${wrap({ protocol: '' }).protocol}${protocol}${host === HOST ? '' : ` on ${host}`}`,
    specs: async () => {
      const port = await freePort();
      return {
        listener: wrap({ protocol, port, address: host }),
        cluster: wrap({ protocol, port }),
        address: host,
      };
    },
    skips,
  };
}

/** A listener of many ports, of which the cluster dials one. */
function overPorts(protocol: string, skips: Skips = {}): Subject {
  return {
    name: `${protocol} on many ports`,
    specs: async () => {
      const first = await freePorts(4);
      return {
        listener: { protocol, ports: `${first}-${first + 3}`, address: HOST },
        cluster: { protocol, port: first + 2 },
        address: HOST,
      };
    },
    skips,
  };
}

/** Both sides of HTTP by HTTP/2. */
function http2(): Subject {
  const { specs, ...subject } = overPort('HTTP', HTTP);
  return {
    ...subject,
    name: 'HTTP/2',
    specs: async () => {
      const { cluster, ...rest } = await specs();
      return { ...rest, cluster: { ...cluster, version: '2' } };
    },
  };
}

function overPath(protocol: string, wrap: (spec: Spec) => Spec = (spec) => spec, skips: Skips = UNIX): Subject {
  return {
    name: `${wrap({ protocol: '' }).protocol}${protocol}`,
    specs: async () => {
      const filename = join(folder, randomUUID().slice(0, 8));
      return { listener: wrap({ protocol, filename }), cluster: wrap({ protocol }), address: filename };
    },
    skips,
  };
}

/** UNIX sockets of a type that only native I/O has. */
function ofType(
  type: string,
  skips: Skips,
  name = (folder: string) => join(folder, randomUUID().slice(0, 8)),
): Subject {
  return {
    name: `UnixDomainSocket of type ${type}${name('').startsWith('@') ? ', abstract' : ''}`,
    specs: async () => {
      const filename = name(folder);
      const spec = { protocol: 'UnixDomainSocket', type };
      return { listener: { ...spec, filename }, cluster: spec, address: filename };
    },
    skips,
  };
}

/** Two FIFOs, of which each side reads what the other one writes. */
function overFifos(skips: Skips): Subject {
  return {
    name: 'PIPE',
    specs: async () => {
      const [there, back] = [1, 2].map(() => join(folder, randomUUID())) as [string, string];
      return {
        listener: { protocol: 'PIPE', read: there, write: back },
        cluster: { protocol: 'PIPE', write: there, read: back },
        address: there,
      };
    },
    skips,
  };
}

const abstract = (): string => `@l7mp-${randomUUID()}`;

/** WebSocket on a channel that is no socket. */
function webSocketInMemory(): Subject {
  const { specs, ...subject } = inMemory('stream', true);
  return {
    ...subject,
    name: 'WebSocket on Memory',
    specs: async () => {
      const { listener, cluster, address } = await specs();
      return { listener: webSocket(listener), cluster: webSocket(cluster), address };
    },
    skips: WEBSOCKET,
  };
}

const webSocket = (transport: Spec): Spec => ({ protocol: 'WebSocket', transport });
const httpOn = (transport: Spec): Spec => ({ protocol: 'HTTP', transport });
const jsonSocket = (transport: Spec): Spec => ({ protocol: 'JSONSocket', transport });

const authority = await Authority.make(after);
const certificate = texts(await authority.issue());

/** With TLS, and certificates of an authority of ours. */
function secured(subject: Subject, wrap: (spec: Spec) => Spec = (spec) => spec): Subject {
  return {
    ...subject,
    name: `${wrap({ protocol: '' }).protocol}TLS on ${subject.name}`,
    specs: async () => {
      const { listener, cluster, address } = await subject.specs();
      return {
        listener: wrap({ ...listener, tls: certificate }),
        cluster: wrap({ ...cluster, tls: { ca: authority.text, servername: 'localhost' } }),
        address,
      };
    },
    // What is cut off without a close_notify is a reset.
    skips: subject.name.includes('WebSocket') ? WEBSOCKET : {},
  };
}

/** With the PROXY protocol. */
function announced(subject: Subject, version = 'v2', wrap: (spec: Spec) => Spec = (spec) => spec): Subject {
  return {
    ...subject,
    name: `${wrap({ protocol: '' }).protocol}PROXY protocol (${version}) on ${subject.name}`,
    specs: async () => {
      const { listener, cluster, address } = await subject.specs();
      return {
        listener: wrap({ ...listener, proxy_protocol: true }),
        cluster: wrap({ ...cluster, proxy_protocol: version }),
        address,
      };
    },
  };
}

/** On datagrams, that is DTLS. */
function securedDatagrams(wrap?: (spec: Spec) => Spec): Subject {
  const { 'peer death': reason } = LOSSY;
  const skips = { ...(reason !== undefined && { 'peer death': reason }) };
  return { ...secured(overPort('UDP'), wrap), skips, smallest: 1 };
}

runCompliance(inMemory('datagram', false));
runCompliance(inMemory('datagram', true));
runCompliance(inMemory('stream', false));
runCompliance(inMemory('stream', true));
runCompliance(webSocketInMemory());

for (const { name, create, skip } of engines()) {
  const subjects: Subject[] = [
    overPort('UDP', LOSSY),
    overPort('UDP', LOSSY, undefined, '::1'),
    overPort('TCP'),
    overPort('TCP', {}, undefined, '::1'),
    overPorts('UDP', LOSSY),
    overPorts('TCP'),
    overPath('UnixDomainSocket'),
    overPort('WebSocket', WEBSOCKET),
    overPort('HTTP', HTTP),
    http2(),
    overPort('UDP', LOSSY, jsonSocket),
    overPort('TCP', {}, jsonSocket),
    overPort('WebSocket', WEBSOCKET, jsonSocket),
    overPath('UnixDomainSocket', webSocket, WEBSOCKET),
    overPath('UnixDomainSocket', httpOn, HTTP),
    overPath('UnixDomainSocket', jsonSocket),
    ofType('stream', UNIX, abstract),
    secured(overPort('TCP')),
    secured(overPath('UnixDomainSocket')),
    secured(overPort('WebSocket', WEBSOCKET)),
    secured(overPort('TCP'), jsonSocket),
    announced(overPort('TCP'), 'v1'),
    announced(overPort('UDP', LOSSY)),
    announced(overPort('UDP', LOSSY), 'v2', jsonSocket),
    announced(overPath('UnixDomainSocket')),
    announced(overPort('HTTP', HTTP)),
    announced(secured(overPort('TCP'))),
    overFifos(PIPE),
    securedDatagrams(),
    securedDatagrams(jsonSocket),
    announced(securedDatagrams()),
  ];
  if (name === 'native') {
    subjects.push(ofType('dgram', DGRAM), ofType('seqpacket', UNIX), ofType('seqpacket', UNIX, abstract));
  }
  for (const subject of subjects) {
    runCompliance({ ...subject, name: `${subject.name} with ${name} I/O`, engine: create, skip });
  }
}
