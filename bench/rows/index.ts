/** What is measured, in the order of the table. A new row is a line here. */
import type { Row } from '../harness/types.ts';
import { http } from './http.ts';
import { http2 } from './http2.ts';
import { latency } from './latency.ts';
import { memoryRows } from './memory.ts';
import { tcp } from './tcp.ts';
import { dtls, udp, websocket } from './udp.ts';
import { workers } from './workers.ts';

export const ROWS: readonly Row[] = [
  ...udp,
  ...tcp,
  ...http,
  ...http2,
  websocket,
  ...dtls,
  ...workers,
  ...memoryRows,
  latency,
];
