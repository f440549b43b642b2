import type { WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Session } from '../session/session.ts';
import { openForAppend } from './files.ts';

/** Bytes that may wait for a slow disk; beyond it lines are lost, and counted. */
const MAX_PENDING = 4 << 20;

/** One line of JSON for each ended session, in a file. */
export class AccessLog {
  #path: string | undefined;
  #stream: WriteStream | undefined;
  lost = 0;

  get path(): string | undefined {
    return this.#path;
  }

  /** Writes to this file from now on. Rejects with E_FILE, and goes on as it was, where it cannot. */
  async open(path: string | undefined): Promise<void> {
    if (path === this.#path) return;
    const stream = path === undefined ? undefined : await openForAppend(path, 'access_log_path', () => this.lost++);
    await this.close();
    this.#path = path;
    this.#stream = stream;
  }

  ended(session: Session): void {
    const stream = this.#stream;
    if (!stream) return;
    if (stream.writableLength > MAX_PENDING) this.lost++;
    else stream.write(`${JSON.stringify(line(session))}\n`);
  }

  async close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#path = undefined;
    if (!stream) return;
    stream.end();
    await finished(stream).catch(() => {});
  }
}

function line(session: Session) {
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
