/** Sessions as the API shows them, without what may differ between two runs or two engines. */
import { type Case, isTorn } from './script.ts';

interface Traffic {
  readonly bytes: { readonly in: number; readonly out: number };
  readonly messages: { readonly in: number; readonly out: number };
  readonly drops: Record<string, number>;
  readonly status: string;
}

export interface SessionView {
  readonly name: string;
  readonly status: string;
  readonly metadata: unknown;
  readonly source: Traffic;
  readonly destination: Traffic | null;
  readonly ingress: readonly Traffic[];
  readonly events: readonly { readonly event: string; readonly message: string }[];
}

export function comparable(view: SessionView, one: Case): unknown {
  const stages = [view.source, ...view.ingress, view.destination].filter((stage) => stage !== null);
  return {
    status: view.status,
    metadata: JSON.parse(JSON.stringify(view.metadata), withoutPorts),
    stages: stages.map((stage) => traffic(stage, one)),
    events: eventsOf(view, one),
  };
}

function traffic({ status, bytes, messages, drops }: Traffic, one: Case): object {
  // How the bytes of a stream are cut into messages is a matter of time.
  const datagrams = one.client === 'UDP' && one.server === 'UDP';
  return { status, ...(!isTorn(one) && { bytes, drops }), ...(datagrams && { messages }) };
}

/** What a peer has written down. */
export function comparableLog(log: readonly string[], one: Case): string[] {
  if (!isTorn(one)) return [...log];
  // Who writes while it is cut off hears of it from that write, or from its next read.
  return log.filter((line) => !/^\d+ bytes/.test(line)).map((line) => line.replace(/EPIPE|ECONNRESET/, 'by a reset'));
}

function eventsOf({ events }: SessionView, one: Case): string[] {
  const lines = events.map(({ event, message }) => `${event} ${withoutPlaces(message)}`);
  // How often it is tried again while nobody is there is a matter of time.
  const once = lines.filter((line, n) => line !== lines[n - 1]);
  return isTorn(one) ? once.map((line) => line.replace(/EPIPE|ECONNRESET/, 'a reset')) : once;
}

/** Each proxy has ports and paths of its own. */
function withoutPlaces(text: string): string {
  return text.replace(/\/[^ ]*\/l7mp-differential-[^/]*/g, '<folder>').replace(/:\d{5}\b/g, ':<port>');
}

function withoutPorts(key: string, value: unknown): unknown {
  // Who is at the other end of a UNIX socket only native I/O is told.
  if (key === 'peer') return undefined;
  if (key.endsWith('port')) return '<port>';
  return typeof value === 'string' ? withoutPlaces(value) : value;
}
