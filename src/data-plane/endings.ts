import type { CloseReason } from '../core/channel.ts';
import type { Session } from '../session/session.ts';
import type { Ending } from './contract.ts';

/** Ends, or disconnects, the sessions that a change of the configuration says it of. */
export function endSessions(sessions: () => Iterable<Session>, endings: readonly Ending[]): void {
  for (const ending of endings) {
    const reason: CloseReason = { kind: 'deleted', message: ending.message };
    const { endpoints } = ending;
    const end = endpoints ? disconnectFrom(endpoints, reason) : endWhere(selectorOf(ending), reason);
    for (const session of [...sessions()]) if (!session.over) end(session);
  }
}

/** Ends all sessions that are not of the API and the metrics. */
export function endTraffic(sessions: Iterable<Session>, why: string): void {
  const reason: CloseReason = { kind: 'shutdown', message: why };
  for (const session of [...sessions]) {
    if (!session.over && !session.destination?.cluster.side.management) session.end(reason);
  }
}

function disconnectFrom(endpoints: readonly string[], reason: CloseReason): (session: Session) => void {
  return (session) => {
    for (const endpoint of endpoints) session.disconnect(endpoint, reason);
  };
}

function endWhere(applies: (session: Session) => boolean, reason: CloseReason): (session: Session) => void {
  return (session) => {
    if (!isBeingAnswered(session) && applies(session)) session.end(reason);
  };
}

function selectorOf({ listeners, routes, clusters }: Ending): (session: Session) => boolean {
  const [from, by, through] = [listeners, routes, clusters].map((names) => names && new Set(names));
  return ({ listener, route, stages }) =>
    (from?.has(listener.name) ?? true) &&
    (by?.has(route ?? '') ?? true) &&
    (through === undefined || stages.some(({ cluster }) => through.has(cluster.name)));
}

/** Such a session ends when it has its answer. */
function isBeingAnswered({ destination, source }: Session): boolean {
  return destination?.cluster.side.control === true && source.endRead;
}
