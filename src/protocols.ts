/** The built-in protocols and transforms: a new one is a folder and a line here. */
import type { Protocol } from './core/protocol.ts';
import { layered } from './layers/index.ts';
import { afPacket } from './protocols/af-packet/index.ts';
import { http } from './protocols/http/index.ts';
import { jsonsocket } from './protocols/jsonsocket/index.ts';
import { pipe } from './protocols/pipe/index.ts';
import { sctp } from './protocols/sctp/index.ts';
import { stdioFork } from './protocols/stdio-fork/index.ts';
import { tcp } from './protocols/tcp/index.ts';
import { udp } from './protocols/udp/index.ts';
import { unix } from './protocols/unix/index.ts';
import { websocket } from './protocols/websocket/index.ts';
import { controller } from './transforms/controller/index.ts';
import { discard } from './transforms/discard/index.ts';
import { echo } from './transforms/echo/index.ts';
import { jsonDecap } from './transforms/json-decap/index.ts';
import { jsonEncap } from './transforms/json-encap/index.ts';
import { logger } from './transforms/logger/index.ts';
import { metric } from './transforms/metric/index.ts';
import { prometheus } from './transforms/prometheus/index.ts';
import { stdio } from './transforms/stdio/index.ts';
import { sync } from './transforms/sync/index.ts';

const ALONE: readonly Protocol[] = [
  udp,
  tcp,
  unix,
  pipe,
  sctp,
  afPacket,
  http,
  websocket,
  jsonsocket,
  stdio,
  stdioFork,
  echo,
  discard,
  logger,
  jsonEncap,
  jsonDecap,
  sync,
  metric,
  prometheus,
  controller,
];

/** With their layers. */
export const PROTOCOLS: readonly Protocol[] = ALONE.map(layered);
