/** What the `check` functions of protocols refuse, as far as it is the form of a field: for the API server. */
import type { Role } from '../../src/core/registry.ts';
import { atMostOne, type Check, exactlyOne, has } from './schema.ts';

const PORTS_IN_ORDER: Check = {
  rule: "!has(self.ports) || (int(self.ports.split('-')[0]) <= int(self.ports.split('-')[1]) && int(self.ports.split('-')[1]) <= 65535)",
  message: 'ports: must begin before it ends, at 65535 at most',
};

const PORT_OR_PORTS: readonly Check[] = [
  exactlyOne(['port', 'ports'], 'port or ports must be given, and not both'),
  PORTS_IN_ORDER,
];

const ENDS = ['filename', 'read', 'write'];

/** Of a FIFO; `shorthand` is what a filename stands for, beside `other`. */
const pipe = (shorthand: 'read' | 'write', other: 'read' | 'write'): readonly Check[] => [
  {
    rule: ENDS.map((name) => has(name)).join(' || '),
    message: 'filename, read or write must be given',
    schema: { anyOf: ENDS.map((name) => ({ required: [name] })) },
  },
  atMostOne(['filename', shorthand], `filename is the same as ${shorthand}`),
  ...[shorthand, 'filename'].map((name) => ({
    rule: `!has(self.${name}) || !has(self.${other}) || self.${name} != self.${other}`,
    message: `${other}: what is written there would be read at once`,
  })),
];

const METRIC = '^[a-zA-Z_:][a-zA-Z0-9_:]*$';

const metricName = (name: string): Check => ({
  rule: `!has(self.${name}) || self.${name}.matches('${METRIC}')`,
  message: `${name} must be the name of a metric of Prometheus`,
  schema: { properties: { [name]: { pattern: METRIC } } },
});

/** Layers that a socket of datagrams has not. */
const onStreams = (...layers: readonly string[]): Check => ({
  rule: `!has(self.type) || self.type == 'stream' || !(${layers.map((name) => has(name)).join(' || ')})`,
  message: `${layers.join(', ')}: type must be stream`,
  schema: {
    anyOf: [
      { properties: { type: { enum: ['stream'] } } },
      { not: { anyOf: layers.map((name) => ({ required: [name] })) } },
    ],
  },
});

export const CHECKS: Readonly<Record<Role, Readonly<Record<string, readonly Check[]>>>> = {
  listener: {
    HTTP: [PORTS_IN_ORDER],
    WebSocket: [PORTS_IN_ORDER],
    TCP: PORT_OR_PORTS,
    SCTP: PORT_OR_PORTS,
    PIPE: pipe('read', 'write'),
    UnixDomainSocket: [onStreams('tls', 'proxy_protocol', 'proxy_protocol_from')],
    UDP: [
      ...PORT_OR_PORTS,
      {
        rule: "!has(self.options) || !has(self.options.mode) || self.options.mode != 'singleton' || (has(self.connect) && has(self.connect.address) && has(self.connect.port))",
        message: 'connect: singleton mode needs an address and a port',
      },
      {
        rule: "!has(self.options) || !has(self.options.mode) || self.options.mode != 'singleton' || !has(self.ports)",
        message: 'ports: singleton mode needs one port',
      },
    ],
  },
  cluster: {
    AF_PACKET: [
      {
        rule: "!has(self.mode) || self.mode != 'dgram' || (has(self.ethertype) && self.ethertype != 3)",
        message: 'ethertype: dgram mode has to know of which type its frames are',
      },
    ],
    PIPE: pipe('write', 'read'),
    UnixDomainSocket: [onStreams('tls', 'proxy_protocol')],
    Metric: [
      metricName('byteCounterName'),
      metricName('packetCounterName'),
      {
        rule: "(has(self.byteCounterName) ? self.byteCounterName : 'session_byte_counter_total') != (has(self.packetCounterName) ? self.packetCounterName : 'session_packet_counter_total')",
        message: 'packetCounterName: bytes are counted under this name',
      },
    ],
  },
};
