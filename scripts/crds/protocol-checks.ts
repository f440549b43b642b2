/** What the `check` functions of protocols refuse, as far as it is the form of a field: for the API server. */
import type { Role } from '../../src/core/registry.ts';
import type { Check } from './schema.ts';

export const CHECKS: Readonly<Record<Role, Readonly<Record<string, readonly Check[]>>>> = {
  listener: {
    UDP: [
      {
        rule: "!has(self.options) || !has(self.options.mode) || self.options.mode != 'singleton' || (has(self.connect) && has(self.connect.address) && has(self.connect.port))",
        message: 'connect: singleton mode needs an address and a port',
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
