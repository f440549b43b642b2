/** Objects that the API server must refuse, and what it must say: the field's name, at least. */

/** `spec` of an object of the kind. */
export interface Refused {
  readonly why: string;
  readonly kind: 'VirtualService' | 'Target' | 'Route' | 'RuleList' | 'Rule';
  readonly spec: object;
  readonly says: RegExp;
}

const selector = { matchLabels: { app: 'web' } };
const echo = { spec: { Echo: {} } };
const route = { destination: echo };
const rules = [{ action: { route } }];
const udp = { spec: { UDP: { port: 53 } } };
const tls = { cert: '/a.pem', key: '/a.key' };

const listener = (why: string, spec: object, says: RegExp, more: object = {}): Refused => ({
  why,
  kind: 'VirtualService',
  spec: { selector, listener: { spec, ...more }, rules },
  says,
});

const cluster = (why: string, own: object, says: RegExp): Refused => ({
  why,
  kind: 'Target',
  spec: { cluster: own },
  says,
});

const inRoute = (why: string, own: object, says: RegExp): Refused => ({
  why,
  kind: 'Route',
  spec: { route: own },
  says,
});

const inRule = (why: string, own: object, says: RegExp): Refused => ({
  why,
  kind: 'Rule',
  spec: { rulelist: 'list', rule: { action: { route }, ...own } },
  says,
});

const LISTENERS: readonly Refused[] = [
  listener('no protocol', {}, /spec\.listener\.spec: .*exactly one protocol/),
  listener('two protocols', { UDP: { port: 1 }, TCP: { port: 1 } }, /spec\.listener\.spec: .*exactly one protocol/),
  listener('a protocol that there is not', { UPD: { port: 1 } }, /unknown field \\"spec\.listener\.spec\.UPD\\"/),
  listener('a transform', { Echo: {} }, /unknown field \\"spec\.listener\.spec\.Echo\\"/),
  listener('a protocol as a field', { protocol: 'UDP', port: 1 }, /unknown field \\"spec\.listener\.spec\.protocol\\"/),
  listener(
    'a field that there is not',
    { UDP: { port: 1, prot: 2 } },
    /unknown field \\"spec\.listener\.spec\.UDP\.prot\\"/,
  ),
  listener('a port out of range', { UDP: { port: 65_536 } }, /spec\.listener\.spec\.UDP\.port: .*65535/),
  listener('a port as a text', { UDP: { port: '53' } }, /spec\.listener\.spec\.UDP\.port: .*must be of type integer/),
  listener('an empty protocol', { UDP: null }, /spec\.listener\.spec/),
  listener(
    'singleton without a peer',
    { UDP: { port: 1, options: { mode: 'singleton' } } },
    /UDP: .*connect: singleton/,
  ),
  listener('a mode that there is not', { UDP: { port: 1, options: { mode: 'x' } } }, /UDP\.options\.mode: Unsupported/),
  listener('a path without a slash', { HTTP: { port: 1, path: 'x' } }, /HTTP\.path: .*should match/),
  listener('neither port nor transport', { WebSocket: {} }, /WebSocket: .*ports or transport/),
  listener('both', { WebSocket: { port: 1, transport: { TCP: { port: 1 } } } }, /WebSocket: .*ports or transport/),
  listener(
    'a PROXY protocol by name',
    { TCP: { port: 1, proxy_protocol: 'v1' } },
    /TCP\.proxy_protocol: .*must be of type boolean/,
  ),
  listener('neither port nor ports', { UDP: {} }, /UDP: .*port or ports/),
  listener('a port and ports', { TCP: { port: 1, ports: '1-2' } }, /TCP: .*port or ports/),
  listener('ports that are no range', { UDP: { ports: '7' } }, /UDP\.ports: .*should match/),
  listener('ports that end before they begin', { UDP: { ports: '8-7' } }, /UDP: .*ports: must begin/),
  listener(
    'a singleton on many ports',
    { UDP: { ports: '7-8', connect: { address: '10.0.0.1', port: 1 }, options: { mode: 'singleton' } } },
    /UDP: .*ports: singleton/,
  ),
  listener(
    'an address beside a transport',
    { HTTP: { address: '::', transport: { TCP: { port: 1 } } } },
    /HTTP: .*address has no place/,
  ),
  listener('a transport that carries none', { JSONSocket: { transport: { Echo: {} } } }, /JSONSocket\.transport\.Echo/),
  listener(
    'two transports',
    { JSONSocket: { transport: { UDP: { port: 1 }, TCP: { port: 1 } } } },
    /JSONSocket\.transport: .*exactly one/,
  ),
  listener(
    'an error deep inside',
    { JSONSocket: { transport: { WebSocket: { transport: { TCP: { port: 0 } } } } } },
    /JSONSocket\.transport\.WebSocket\.transport\.TCP\.port/,
  ),
  listener('an address that is none', { UDP: { port: 1, address: '10.0.0.1:5' } }, /UDP\.address: .*should match/),
  listener('neither end of a FIFO', { PIPE: {} }, /PIPE: .*filename, read or write/),
  listener('both ends of a FIFO in one', { PIPE: { filename: '/a', write: '/a' } }, /PIPE: .*write: /),
  listener('TLS on datagrams', { UnixDomainSocket: { filename: '/a', type: 'dgram', tls } }, /type must be stream/),
  listener(
    'trust in peers for nothing',
    { TCP: { port: 1, proxy_protocol_from: ['::1'] } },
    /TCP: .*proxy_protocol_from/,
  ),
  listener(
    'a network that is none',
    { TCP: { port: 1, proxy_protocol: true, proxy_protocol_from: ['web'] } },
    /TCP\.proxy_protocol_from\[0\]: .*should match/,
  ),
  listener('a network that is none, in options', { UDP: { port: 1 } }, /options\.allow\[0\]: .*should match/, {
    options: { allow: ['10.0.0.0/8/8'] },
  }),
  listener('names for further addresses', { SCTP: { port: 1, addresses: ['web'] } }, /SCTP\.addresses\[0\]/),
  listener('a certificate without a key', { TCP: { port: 1, tls: { cert: '/a' } } }, /TCP\.tls: .*cert and key/),
  listener('TLS without a certificate', { TCP: { port: 1, tls: {} } }, /TCP\.tls: .*needs a certificate/),
  listener('who signs for nobody', { UDP: { port: 1, tls: { ...tls, ca: '/a' } } }, /UDP\.tls: .*ca and client_auth/),
  listener('TLS passed on, and ended', { TCP: { port: 1, tls: { ...tls, mode: 'passthrough' } } }, /stands alone/),
  listener('no protocol to choose', { TCP: { port: 1, tls: { ...tls, alpn: [] } } }, /TCP\.tls\.alpn: .*at least 1/),
  listener(
    'HTTP on datagrams',
    { HTTP: { transport: { UnixDomainSocket: { filename: '/a', type: 'dgram' } } } },
    /HTTP: .*type must be stream/,
  ),
  listener('no filename', { UnixDomainSocket: {} }, /UnixDomainSocket\.filename: Required/),
  listener('an option that there is not', { UDP: { port: 1 } }, /spec\.listener\.options\.idle/, {
    options: { idle: 1 },
  }),
  listener('another protocol’s option', { UDP: { port: 1 } }, /spec\.listener: .*options\.ping_interval/, {
    options: { ping_interval: 1 },
  }),
  listener('rules in both places', { UDP: { port: 1 } }, /spec: .*rules or rulesRef/, { rules }),
  listener('rules and a reference', { UDP: { port: 1 } }, /spec: .*rules or rulesRef/, { rulesRef: 'list' }),
  {
    why: 'no rules',
    kind: 'VirtualService',
    spec: { selector, listener: { spec: { UDP: { port: 1 } } } },
    says: /spec: .*rules or rulesRef/,
  },
  {
    why: 'no selector',
    kind: 'VirtualService',
    spec: { listener: { spec: { UDP: { port: 1 } } }, rules },
    says: /spec\.selector: Required/,
  },
  { why: 'no listener', kind: 'VirtualService', spec: { selector, rules }, says: /spec\.listener: Required/ },
];

const SELECTORS: readonly Refused[] = [
  ['a label that is no text', { matchLabels: { app: 1 } }, /spec\.selector\.matchLabels\.app/],
  [
    'an operator that there is not',
    { matchExpressions: [{ key: 'a', operator: 'Is' }] },
    /matchExpressions\[0\]\.operator: Unsupported/,
  ],
  ['In without values', { matchExpressions: [{ key: 'a', operator: 'In' }] }, /matchExpressions\[0\]: .*values/],
  [
    'Exists with values',
    { matchFields: [{ key: 'a', operator: 'Exists', values: ['x'] }] },
    /matchFields\[0\]: .*values/,
  ],
  ['a namespace that is no name', { matchNamespace: 'A b' }, /matchNamespace: .*should match/],
  ['a criterion that there is not', { matchLabel: {} }, /unknown field \\"spec\.selector\.matchLabel\\"/],
].map(([why, own, says]) => ({
  why: why as string,
  kind: 'Target',
  spec: { selector: own, cluster: echo },
  says: says as RegExp,
}));

const CLUSTERS: readonly Refused[] = [
  { why: 'nothing', kind: 'Target', spec: {}, says: /spec: .*cluster\.spec or linkedVirtualService/ },
  cluster('no spec', { endpoints: [] }, /spec: .*cluster\.spec or linkedVirtualService/),
  {
    why: 'both',
    kind: 'Target',
    spec: { cluster: udp, linkedVirtualService: 'x' },
    says: /spec: .*cluster\.spec and cluster\.endpoints/,
  },
  {
    why: 'a link to a Target',
    kind: 'Target',
    spec: { linkedVirtualService: '/l7mp.io/v1/Target/ns/x' },
    says: /linkedVirtualService: .*should match/,
  },
  cluster('no protocol', { spec: {} }, /spec\.cluster\.spec: .*exactly one protocol/),
  cluster('two protocols', { spec: { Echo: {}, Discard: {} } }, /spec\.cluster\.spec: .*exactly one protocol/),
  cluster(
    'a key without a certificate',
    { spec: { TCP: { port: 1, tls: { key: '/a' } } } },
    /TCP\.tls: .*cert and key/,
  ),
  cluster(
    'who is trusted, though nobody is asked',
    { spec: { TCP: { port: 1, tls: { verify: false, ca: '/a' } } } },
    /TCP\.tls: .*ca means nothing/,
  ),
  cluster('a counter that is none', { spec: { Metric: { byteCounterName: '1-5' } } }, /Metric: .*byteCounterName/),
  cluster(
    'a port below as a text',
    { spec: { JSONSocket: { transport: { SCTP: { port: '1' } } } } },
    /JSONSocket\.transport\.SCTP\.port/,
  ),
  cluster('no query', { spec: { Sync: {} } }, /spec\.cluster\.spec\.Sync\.query: Required/),
  cluster(
    'counters of one name',
    { spec: { Metric: { byteCounterName: 'a', packetCounterName: 'a' } } },
    /Metric: .*packetCounterName/,
  ),
  cluster(
    'a header of two kinds',
    { spec: { JSONSocket: { transport: udp.spec, header: [{ path: '/a', set: { key: '/', value: 1 } }] } } },
    /JSONSocket\.header\[0\]/,
  ),
  cluster(
    'a header’s path as a number',
    { spec: { JSONSocket: { transport: udp.spec, header: [{ path: 1 }] } } },
    /JSONSocket\.header\[0\]\.path/,
  ),
  cluster('a port that is nowhere', { spec: { UDP: { port: { offset: 1 } } } }, /UDP\.port/),
  cluster('a port as a text', { spec: { TCP: { port: '80' } } }, /TCP\.port/),
  cluster('neither port nor transport', { spec: { HTTP: {} } }, /HTTP/),
  cluster(
    'a policy that there is not',
    { ...udp, loadbalancer: { policy: 'Best' } },
    /loadbalancer\.policy: Unsupported/,
  ),
  cluster(
    'endpoints of a transform',
    { ...echo, endpoints: [{ spec: { address: 'a' } }] },
    /spec\.cluster: .*endpoints: a cluster without a network/,
  ),
  cluster('an endpoint of neither', { ...udp, endpoints: [{ weight: 1 }] }, /endpoints\[0\]: .*spec or selector/),
  cluster(
    'an endpoint of both',
    { ...udp, endpoints: [{ spec: { address: 'a' }, selector }] },
    /endpoints\[0\]: .*spec or selector/,
  ),
  cluster(
    'an endpoint without an address',
    { ...udp, endpoints: [{ spec: { port: 1 } }] },
    /endpoints\[0\]\.spec: .*address or filename/,
  ),
  cluster('a path on the Internet', { ...udp, endpoints: [{ spec: { filename: '/a' } }] }, /spec\.cluster: .*filename/),
  cluster(
    'a port of a path',
    { spec: { UnixDomainSocket: {} }, endpoints: [{ spec: { filename: '/a', port: 1 } }] },
    /spec\.cluster: .*port/,
  ),
  cluster(
    'pods behind a path',
    { spec: { JSONSocket: { transport: { UnixDomainSocket: {} } } }, endpoints: [{ selector }] },
    /spec\.cluster: .*selector/,
  ),
  cluster(
    'an address with a port',
    { ...udp, endpoints: [{ spec: { address: 'web:80' } }] },
    /spec\.cluster: .*endpoints\[\]\.spec\.address/,
  ),
  cluster(
    'an address that is none',
    { ...udp, endpoints: [{ spec: { address: '127.1' } }] },
    /endpoints\[\]\.spec\.address/,
  ),
  cluster(
    'a name to bind',
    { spec: { UDP: { port: 1, bind: { address: 'web' } } } },
    /UDP\.bind\.address: .*should match/,
  ),
  cluster(
    'two weights',
    { ...udp, endpoints: [{ spec: { address: 'a', weight: 1 }, weight: 2 }] },
    /endpoints\[0\]: .*weight/,
  ),
  cluster(
    'a weight below zero',
    { ...udp, endpoints: [{ spec: { address: 'a' }, weight: -1 }] },
    /endpoints\[0\]\.weight/,
  ),
  cluster('a port elsewhere', { spec: { UDP: { port: 1, bind: { port: 0 } } } }, /UDP\.bind\.port/),
  cluster('an option that there is not', { ...udp, options: { idle: 1 } }, /spec\.cluster\.options\.idle/),
  cluster(
    'another protocol’s option',
    { ...udp, options: { ping_interval: 1 } },
    /spec\.cluster: .*options\.ping_interval/,
  ),
];

/** In a route CEL sees no clusters: what is said there is the API server's own word. */
const ROUTES: readonly Refused[] = [
  inRoute('no destination', {}, /spec\.route\.destination: Required/),
  inRoute('two destinations', { destination: 'a', destinationRef: 'b' }, /spec\.route\.destinationRef: Too long/),
  inRoute('a destination as a number', { destination: 1 }, /spec\.route\.destination/),
  inRoute('a destination as a list', { destination: [echo] }, /spec\.route\.destination/),
  inRoute('a destination as a switch', { destination: true }, /spec\.route\.destination/),
  inRoute('no destination at all', { destination: null }, /spec\.route\.destination/),
  inRoute('a reference that is none', { destination: '/Target/a' }, /spec\.route\.destination: .*should match/),
  inRoute(
    'a reference to a Route',
    { destinationRef: '/l7mp.io/v1/Route/a/b' },
    /spec\.route\.destinationRef: .*should match/,
  ),
  inRoute('a cluster without a protocol', { destination: { spec: {} } }, /spec\.route\.destination\.spec/),
  inRoute('a cluster without a spec', { destination: { endpoints: [] } }, /spec\.route\.destination\.spec: Required/),
  inRoute(
    'two protocols',
    { destination: { spec: { UDP: { port: 1 }, TCP: { port: 1 } } } },
    /spec\.route\.destination\.spec/,
  ),
  inRoute('a field beside', { destination: { ...udp, endpoint: [] } }, /spec\.route\.destination/),
  inRoute(
    'a field inside',
    { destination: { spec: { UDP: { prot: 1 } } } },
    /spec\.route\.destination\.spec\.UDP\.prot/,
  ),
  inRoute(
    'a port out of range',
    { destination: { spec: { UDP: { port: 0 } } } },
    /spec\.route\.destination\.spec\.UDP\.port/,
  ),
  inRoute(
    'a transport out of range',
    { destination: { spec: { JSONSocket: { transport: { TCP: { port: 0 } } } } } },
    /destination\.spec\.JSONSocket\.transport\.TCP\.port/,
  ),
  inRoute(
    'two transports',
    { destination: { spec: { JSONSocket: { transport: { TCP: { port: 1 }, UDP: { port: 1 } } } } } },
    /destination\.spec\.JSONSocket\.transport/,
  ),
  inRoute('an endpoint of neither', { destination: { ...udp, endpoints: [{}] } }, /destination\.endpoints\[0\]/),
  inRoute(
    'endpoints of a transform',
    { destination: { ...echo, endpoints: [{ spec: { address: 'a' } }] } },
    /spec\.route\.destination/,
  ),
  inRoute(
    'another protocol’s option',
    { destination: { ...udp, options: { ping_interval: 1 } } },
    /spec\.route\.destination/,
  ),
  inRoute(
    'In without values',
    { destination: { ...udp, endpoints: [{ selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }] } },
    /endpoints\[0\]\.selector\.matchExpressions\[0\]/,
  ),
  inRoute(
    'an address with a port',
    { destination: { ...udp, endpoints: [{ spec: { address: '10.0.0.1:80' } }] } },
    /destination\.endpoints\[0\]\.spec\.address/,
  ),
  inRoute('an item of a chain as a number', { ...route, ingress: [1] }, /spec\.route\.ingress\[0\]/),
  inRoute(
    'an item of a chain twice',
    { ...route, ingress: [{ clusterRef: 'a', cluster: echo }] },
    /spec\.route\.ingress\[0\]/,
  ),
  inRoute('an empty item of a chain', { ...route, egress: [{}] }, /spec\.route\.egress\[0\]/),
  inRoute(
    'a wrong cluster in a chain',
    { ...route, egress: [{ spec: { UDP: { port: 0 } } }] },
    /spec\.route\.egress\[0\]\.spec\.UDP\.port/,
  ),
  inRoute(
    'a nested cluster of two protocols in a chain',
    { ...route, egress: [{ cluster: { spec: { Echo: {}, Discard: {} } } }] },
    /spec\.route\.egress\[0\]\.cluster\.spec: Too many/,
  ),
  inRoute('a chain that is too long', { ...route, ingress: Array(65).fill('a') }, /spec\.route\.ingress: Too many/),
  inRoute(
    'retrying what there is not',
    { ...route, retry: { retry_on: 'sometimes' } },
    /spec\.route\.retry\.retry_on: Unsupported/,
  ),
  inRoute('fewer tries than none', { ...route, retry: { num_retries: -1 } }, /spec\.route\.retry\.num_retries/),
];

const RULES: readonly Refused[] = [
  { why: 'no rulelist', kind: 'Rule', spec: { rule: { action: { route } } }, says: /spec\.rulelist: Required/ },
  {
    why: 'a position below zero',
    kind: 'Rule',
    spec: { rulelist: 'a', position: -1, rule: { action: { route } } },
    says: /spec\.position/,
  },
  { why: 'no rules', kind: 'RuleList', spec: {}, says: /spec\.rules: Required/ },
  { why: 'a rule as a text', kind: 'RuleList', spec: { rules: ['a'] }, says: /spec\.rules\[0\]/ },
  inRule('no action', { action: {} }, /spec\.rule\.action: .*route, routeRef or apply/),
  inRule('a route and a reference', { action: { route, routeRef: 'a' } }, /spec\.rule\.action: .*route and routeRef/),
  inRule('a route as a text', { action: { route: 'a' } }, /spec\.rule\.action\.route: .*must be of type object/),
  inRule('a rewrite without a value', { action: { route, rewrite: [{ path: '/a' }] } }, /action\.rewrite\[0\]/),
  inRule(
    'a rewrite with two',
    { action: { route, rewrite: [{ path: '/a', value: 1, valueStr: '1' }] } },
    /action\.rewrite\[0\]/,
  ),
  inRule(
    'a rewrite with a value and a source',
    { action: { route, rewrite: [{ path: '/a', value: 1, from: '/b' }] } },
    /action\.rewrite\[0\]/,
  ),
  inRule(
    'a rewrite of a prototype',
    { action: { route, rewrite: [{ path: '/a/__proto__/b', value: 1 }] } },
    /action\.rewrite\[0\]\.path/,
  ),
  inRule('a number at the root', { action: { route, rewrite: [{ path: '/', value: 1 }] } }, /action\.rewrite\[0\]/),
  inRule('a match as a text', { match: '*' }, /spec\.rule\.match: .*must be of type object/),
  inRule(
    'an operation that there is not',
    { match: { op: 'is', path: '/a', value: 1 } },
    /spec\.rule\.match\.op: Unsupported/,
  ),
  inRule('an operation without a path', { match: { op: 'test', value: 1 } }, /spec\.rule\.match\.path: Required/),
  inRule('an operation without a value', { match: { op: 'test', path: '/a' } }, /spec\.rule\.match\.value: Required/),
  inRule('a comparison with a text', { match: { op: 'less', path: '/a', value: '1' } }, /spec\.rule\.match\.value/),
  inRule('a type that there is not', { match: { op: 'type', path: '/a', value: 'text' } }, /spec\.rule\.match\.value/),
  inRule('a combination of nothing', { match: { op: 'and' } }, /spec\.rule\.match\.apply: Required/),
  inRule('a path nowhere', { match: { op: 'not', apply: [{ op: 'undefined' }] } }, /spec\.rule\.match/),
  inRule(
    'an error one deep',
    { match: { op: 'and', apply: [{ op: 'in', path: '/a', value: 1 }] } },
    /spec\.rule\.match\.apply\[0\]/,
  ),
  inRule(
    'an error two deep',
    { match: { op: 'and', apply: [{ op: 'not', apply: [{ op: 'is' }] }] } },
    /spec\.rule\.match\.apply\[0\]\.apply\[0\]\.op/,
  ),
];

export const REFUSED: readonly Refused[] = [...LISTENERS, ...SELECTORS, ...CLUSTERS, ...ROUTES, ...RULES];
