import type { SessionObserver } from '../session/observer.ts';
import type { Session } from '../session/session.ts';

/** Makes a record of each session that has ended, while somebody writes an access log. */
export class AccessRecords implements SessionObserver {
  wanted = false;
  readonly #pass: (record: object) => void;

  constructor(pass: (record: object) => void) {
    this.#pass = pass;
  }

  ended(session: Session): void {
    if (this.wanted) this.#pass(recordOf(session));
  }
}

function recordOf(session: Session) {
  const { source, events, destination, outcome } = session;
  session.refresh();
  return {
    time: new Date().toISOString(),
    session: session.name,
    listener: session.listener.name,
    route: session.route ?? null,
    cluster: destination?.cluster.name ?? null,
    endpoint: destination?.endpoint?.address ?? null,
    duration_ms: Date.now() - events.started,
    bytes_in: source.bytesIn,
    bytes_out: source.bytesOut,
    messages_in: source.messagesIn,
    messages_out: source.messagesOut,
    dropped: Object.fromEntries(session.drops ?? []),
    outcome: outcome?.kind ?? 'end',
    reason: outcome?.message ?? '',
  };
}
