/** What the `check` functions of protocols refuse, as far as it is the form of a field: for the API server. */
import type { Role } from '../../src/core/registry.ts';
import { type Check, exactlyOne } from './schema.ts';

const PORTS_IN_ORDER: Check = {
  rule: "!has(self.ports) || (int(self.ports.split('-')[0]) <= int(self.ports.split('-')[1]) && int(self.ports.split('-')[1]) <= 65535)",
  message: 'ports: must begin before it ends, at 65535 at most',
};

const PORT_OR_PORTS: readonly Check[] = [
  exactlyOne(['port', 'ports'], 'port or ports must be given, and not both'),
  PORTS_IN_ORDER,
];

export const CHECKS: Readonly<Record<Role, Readonly<Record<string, readonly Check[]>>>> = {
  listener: {
    HTTP: [PORTS_IN_ORDER],
    WebSocket: [PORTS_IN_ORDER],
    TCP: PORT_OR_PORTS,
    SCTP: PORT_OR_PORTS,
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
    Metric: [
      {
        rule: "(has(self.byteCounterName) ? self.byteCounterName : 'session_byte_counter_total') != (has(self.packetCounterName) ? self.packetCounterName : 'session_packet_counter_total')",
        message: 'packetCounterName: bytes are counted under this name',
      },
    ],
  },
};
