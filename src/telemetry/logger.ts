import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import winston from 'winston';
import { LEVELS, type Level, type Log, type Threshold } from '../core/log.ts';
import { openForAppend } from './files.ts';

/** Bytes of log that may wait for a slow disk; beyond it lines are lost. */
const MAX_PENDING = 4 << 20;

/** winston counts levels from the most important one. */
const ORDER = Object.fromEntries([...LEVELS].reverse().map((level, n) => [level, n]));

const LINE = winston.format.printf(
  ({ level, message, object, timestamp }) => `${timestamp} ${level} ${oneLine(object)}: ${oneLine(message)}`,
);

/** Names and messages come partly from the network: an event stays one line whatever they hold. */
function oneLine(text: unknown): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => JSON.stringify(c).slice(1, -1));
}

/** The proxy's log: one line an event, `<time> <level> <object>: <message>`. */
export class Logger implements Log {
  level: Threshold = 'info';
  #file = 'stderr';
  #stream: Writable = process.stderr;
  #winston = create(process.stderr);

  /** `stdout`, `stderr` or a path. */
  get file(): string {
    return this.#file;
  }

  enabled(level: Level): boolean {
    return this.level !== 'silent' && LEVELS.indexOf(level) >= LEVELS.indexOf(this.level);
  }

  write(level: Level, object: string, message: string): void {
    if (!this.enabled(level) || this.#stream.writableLength > MAX_PENDING) return;
    this.#winston.log(level, message, { object });
  }

  /** Writes elsewhere from now on. Rejects with E_FILE, and goes on as it was, where it cannot. */
  async open(file: string): Promise<void> {
    if (file === this.#file) return;
    const stream = await target(file);
    const previous = this.#stream;
    this.#file = file;
    this.#stream = stream;
    this.#winston = create(stream);
    await end(previous);
  }

  async close(): Promise<void> {
    await end(this.#stream);
  }
}

async function target(file: string): Promise<Writable> {
  if (file === 'stdout') return process.stdout;
  if (file === 'stderr') return process.stderr;
  return openForAppend(file, 'log_file');
}

/** A file is closed when all is written; the process's own streams are not ours to end. */
async function end(stream: Writable): Promise<void> {
  if (stream === process.stdout || stream === process.stderr) return;
  stream.end();
  await finished(stream).catch(() => {});
}

function create(stream: Writable): winston.Logger {
  return winston.createLogger({
    levels: ORDER,
    level: LEVELS[0],
    exitOnError: false,
    format: winston.format.combine(winston.format.timestamp(), LINE),
    transports: [new winston.transports.Stream({ stream })],
  });
}
