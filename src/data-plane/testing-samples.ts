/** Settings and a query, of which a test of data planes says only what matters to it. */
import type { PlaneSettings, SessionQuery } from './contract.ts';

export const SETTINGS: PlaneSettings = {
  logLevel: 'info',
  logOnStdout: false,
  accessLog: false,
  limits: { max_sessions: 1000, max_connections: 1000, reserved_descriptors: 10, memory: 1 << 30 },
  offload: {},
  files: '/tmp',
  bodyLimit: 1 << 20,
};

/** All sessions, with all that is shown of them. */
export const ALL: SessionQuery = {
  limit: 1000,
  after: 0,
  listener: undefined,
  cluster: undefined,
  endpoint: undefined,
  status: undefined,
  peer: undefined,
  fields: undefined,
  count: true,
};
