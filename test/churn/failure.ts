/** One worker fails, and takes its sessions with it: those, and no others. */
import { once } from 'node:events';
import * as net from 'node:net';
import { until } from '../../src/testing/until.ts';
import type { Api } from './api.ts';
import type { Crowd } from './crowd.ts';
import type { Talk } from './talk.ts';
import { type Group, HOST } from './world.ts';

/** The listener whose sessions end their worker when something is written to them. */
export const FAILING = 'failing';

interface Session {
  readonly worker: number;
  readonly metadata: Readonly<Record<string, { readonly src_port?: number } | undefined>>;
}

function sessionsOf(api: Api, listener: string): Promise<Session[]> {
  return api.ok({ method: 'GET', path: `sessions?listener=${listener}&fields=worker,metadata&limit=10000` });
}

const portOf = ({ metadata }: Session) => (metadata.UDP ?? metadata.TCP)?.src_port;

/** Which conversations of a group a worker has; of UNIX sockets, whose clients have no names, how many. */
async function named(api: Api, crowd: Crowd, group: Group, worker: number): Promise<readonly Talk[] | number> {
  const sessions = await sessionsOf(api, group.name);
  if (group.kind.paths) return sessions.filter((session) => session.worker === worker).length;
  // Of two with one port, the older one is that of a datagram client that is gone.
  const workers = new Map(sessions.map((session) => [portOf(session), session.worker]));
  return crowd.of(group).filter(({ port }) => workers.get(port) === worker);
}

/** Makes one worker fail. Resolves with the conversations that it had, when each has noticed. */
export async function failWorker(api: Api, port: number, crowd: Crowd, groups: readonly Group[]): Promise<Talk[]> {
  const socket = net.connect(port, HOST);
  socket.on('error', () => {});
  await once(socket, 'connect');
  const { worker } = await until(async () => (await sessionsOf(api, FAILING))[0], 'the session that fails');
  const all = await Promise.all(groups.map(async (group) => [group, await named(api, crowd, group, worker)] as const));
  socket.write('now');
  const gone: Talk[] = [];
  for (const [group, talks] of all) {
    const noticed = () => crowd.of(group).filter(({ notice }) => notice !== undefined);
    const missing = () => (typeof talks === 'number' ? talks - noticed().length : talks.filter(silent).length);
    await until(() => missing() <= 0, `the sessions of ${group.name} in worker ${worker} notice`);
    gone.push(...(typeof talks === 'number' ? noticed().slice(0, talks) : talks));
  }
  return gone;
}

const silent = ({ notice }: Talk) => notice === undefined;
