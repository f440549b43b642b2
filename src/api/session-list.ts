import type { DataPlane, SessionQuery } from '../data-plane/contract.ts';
import type { SessionView } from '../session/answer.ts';

/** Sessions that a data plane shows at a time: what it makes, and what crosses from its thread, in a millisecond or two. */
const PART = 200;

/** A list of sessions, as they are shown. */
export interface SessionList {
  /** Read from the data planes while somebody takes them. */
  readonly sessions: AsyncIterable<Partial<SessionView>>;
  /** How many there are that match, in this list or not. */
  readonly total: number;
  /** What another list goes on `after`, if there is more. */
  readonly next: number | undefined;
}

/**
 * The sessions that match now. Those that end until they are shown are left out, and none that begins comes in: which ones
 * they are is asked before.
 */
export async function listSessions(
  plane: Pick<DataPlane, 'sessions'>,
  query: Omit<SessionQuery, 'count'>,
): Promise<SessionList> {
  const { sessions, total, more } = await plane.sessions({ ...query, fields: [], count: true });
  const last = sessions.at(-1)?.id ?? query.after;
  return { sessions: shown(plane, query, last), total, next: more ? last : undefined };
}

async function* shown(
  plane: Pick<DataPlane, 'sessions'>,
  query: Omit<SessionQuery, 'count'>,
  last: number,
): AsyncIterable<Partial<SessionView>> {
  let { after } = query;
  while (after < last) {
    const { sessions } = await plane.sessions({ ...query, after, limit: PART, count: false });
    for (const { id, view } of sessions) if (id <= last) yield view;
    after = sessions.at(-1)?.id ?? last;
  }
}
