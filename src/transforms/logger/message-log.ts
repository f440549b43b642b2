import type { FileWriter } from '../../output/writer.ts';

export interface MessageLogOptions {
  readonly prefix: string;
  /** Makes what is written of the prefix and a message; it may be the same bytes. */
  readonly form: (bytes: Buffer) => Uint8Array;
  /** Tells the log of what is missing. */
  readonly say: (message: string) => void;
}

/**
 * The copies of one cluster's messages on their way to its output. Never slows the traffic down: what the output
 * cannot take is lost, counted, and said once. Owns the writer.
 */
export class MessageLog {
  readonly #writer: FileWriter;
  readonly #prefix: Uint8Array;
  readonly #options: MessageLogOptions;
  #users = 0;
  #retired = false;
  #said = false;

  /** `open` makes the writer, which tells of what it loses. */
  constructor(open: (onLost: (why: string) => void) => FileWriter, options: MessageLogOptions) {
    this.#writer = open((why) => this.#lost(why));
    this.#prefix = Buffer.from(options.prefix === '' ? '' : `${options.prefix}: `);
    this.#options = options;
  }

  /** One more channel writes into it. */
  join(): void {
    this.#users++;
  }

  leave(): void {
    this.#users--;
    if (this.#retired && this.#users === 0) void this.#finish();
  }

  /** Copies also what is owned: it may be a small part of a large buffer, which would be kept as a whole. */
  write(bytes: Uint8Array): void {
    this.#writer.write(this.#options.form(Buffer.concat([this.#prefix, bytes])));
  }

  /** Goes on in the file that has the path now. Rejects with E_FILE. */
  reopen(): Promise<void> {
    return this.#writer.reopen();
  }

  /** Lets go of the output: at once, or when the last live channel has left. */
  async retire(): Promise<void> {
    this.#retired = true;
    if (this.#users === 0) await this.#finish();
  }

  #lost(why: string): void {
    if (this.#said) return;
    this.#said = true;
    this.#options.say(`messages are missing in the log_file: ${why}`);
  }

  async #finish(): Promise<void> {
    await this.#writer.close();
    if (this.#writer.lost > 0) this.#options.say(`${this.#writer.lost} messages are missing in the log_file`);
  }
}
