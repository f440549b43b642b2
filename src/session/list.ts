/** Finding sessions among very many, without holding up the traffic meanwhile. */
import type { Cidrs } from '../core/cidr.ts';
import { Turns } from '../core/turns.ts';
import type { Session, SessionStatus } from './session.ts';
import type { SessionTable } from './table.ts';

export const SESSION_STATUSES: readonly SessionStatus[] = [
  'INIT',
  'CONNECTED',
  'DISCONNECTED',
  'FINALIZING',
  'DESTROYED',
];

/** What a session must be like; what is undefined does not matter. */
export interface SessionFilter {
  readonly listener: string | undefined;
  /** The name of a cluster of its route. */
  readonly cluster: string | undefined;
  readonly endpoint: string | undefined;
  readonly status: SessionStatus | undefined;
  /** Where its client is. */
  readonly peer: Cidrs | undefined;
}

export interface SessionPage {
  /** In the order in which they began. */
  readonly sessions: readonly Session[];
  /** How many match, on this page or not; only where they are counted. */
  readonly total: number;
  /** What the next page begins after, where there is one. */
  readonly next: number | undefined;
}

/** Sessions that are looked at in one turn of the event loop at most, and that are shown: some milliseconds. */
const LOOKED_AT = 2000;
const SHOWN = 200;

/**
 * The first `limit` sessions that match and began after the one with this id. Ids grow, so a page begins at the right
 * place whatever sessions have come and gone since the last one. `count`: also how many match in all.
 */
export async function findSessions(
  table: SessionTable,
  filter: SessionFilter,
  { limit, after, count }: { readonly limit: number; readonly after: number; readonly count: boolean },
): Promise<SessionPage> {
  const sessions: Session[] = [];
  let total = 0;
  let more = false;
  const turns = new Turns(LOOKED_AT);
  for (const session of table.all()) {
    const isMatch = (count || session.id > after) && matches(session, filter);
    if (turns.due()) await turns.next();
    if (!isMatch) continue;
    total++;
    if (session.id <= after) continue;
    if (sessions.length < limit) sessions.push(session);
    else more = true;
    if (more && !count) break;
  }
  return { sessions, total, next: more ? sessions.at(-1)?.id : undefined };
}

/** What is made of each, in slices. */
export async function eachSession<T>(sessions: readonly Session[], make: (session: Session) => T): Promise<T[]> {
  const made: T[] = [];
  const turns = new Turns(SHOWN);
  for (const session of sessions) {
    made.push(make(session));
    if (turns.due()) await turns.next();
  }
  return made;
}

function matches(session: Session, { listener, cluster, endpoint, status, peer }: SessionFilter): boolean {
  return (
    (listener === undefined || session.listener.name === listener) &&
    (status === undefined || session.status === status) &&
    (cluster === undefined || session.stages.some((stage) => stage.cluster.name === cluster)) &&
    (endpoint === undefined || session.stages.some((stage) => stage.endpoint?.name === endpoint)) &&
    (peer === undefined || comesFrom(session, peer))
  );
}

function comesFrom({ metadata }: Session, addresses: Cidrs): boolean {
  const { src_addr: address } = (metadata.IP ?? {}) as { src_addr?: unknown };
  return typeof address === 'string' && addresses.has(address);
}
