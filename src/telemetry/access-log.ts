import { Mutex } from '../core/mutex.ts';
import type { Enclosure } from '../core/protocol.ts';
import { openFile } from '../output/output.ts';
import { oneLine } from '../output/printable.ts';
import { Writer } from '../output/writer.ts';
import type { SessionObserver } from '../session/observer.ts';
import type { Session } from '../session/session.ts';

/** One line of JSON for each ended session, in a file. */
export class AccessLog implements SessionObserver {
  readonly #turns = new Mutex();
  #path: string | undefined;
  #within: Enclosure | undefined;
  #writer: Writer | undefined;
  /** Lines that an earlier file did not get. */
  #lost = 0;

  get path(): string | undefined {
    return this.#path;
  }

  /** Below which directory its file must lie. */
  get within(): Enclosure | undefined {
    return this.#within;
  }

  /** Lines that a slow or full disk did not take. */
  get lost(): number {
    return this.#lost + (this.#writer?.lost ?? 0);
  }

  /**
   * Writes to this file from now on. Rejects with E_FILE, or E_FORBIDDEN where it does not lie `within`, and goes on as
   * it was.
   */
  open(path: string | undefined, within?: Enclosure): Promise<void> {
    return this.#turns.run(async () => {
      if (path === this.#path) return;
      const writer = path === undefined ? undefined : new Writer(await openFile(path, 'access_log_path', within));
      const previous = this.#writer;
      this.#path = path;
      this.#within = within;
      this.#writer = writer;
      await previous?.close();
      this.#lost += previous?.lost ?? 0;
    });
  }

  /** Goes on in the file that has the path now (rotation). Rejects with E_FILE, and goes on in the old one, where it cannot. */
  reopen(): Promise<void> {
    return this.#turns.run(async () => this.#writer?.reopen());
  }

  ended(session: Session): void {
    // In JSON, what cannot be printed may be written as an escape as well.
    this.#writer?.write(Buffer.from(`${oneLine(JSON.stringify(line(session)))}\n`));
  }

  /** Writes what waits, and closes the file. Resolves in a second at the latest. */
  close(): Promise<void> {
    return this.open(undefined);
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
