/** The levels of the log, from the most talkative; the seed's names. */
export const LEVELS = ['silly', 'verbose', 'info', 'notice', 'warn', 'error'] as const;

/** How important an event is. */
export type Level = (typeof LEVELS)[number];
export type Threshold = Level | 'silent';

/** Whether events of a level are told where those below a threshold are not. */
export function atLeast(level: Level, threshold: Threshold): boolean {
  return threshold !== 'silent' && LEVELS.indexOf(level) >= LEVELS.indexOf(threshold);
}

/**
 * Where events are told: one line an event, with the name of the object it is about. Never throws. Ask `enabled`
 * before putting a text together on a busy path.
 */
export interface Log {
  enabled(level: Level): boolean;
  write(level: Level, object: string, message: string): void;
  /** Whether its lines go to the process's stdout, where others write too. */
  readonly onStdout?: boolean;
}

/** A log that says nothing. */
export const SILENT: Log = { enabled: () => false, write: () => {} };

/** Tells of an error of the proxy's own: what has failed, and a line for each place that the error came through. */
export function writeDefect(log: Log, object: string, what: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  for (const [n, line] of text.split('\n').entries())
    log.write('error', object, n === 0 ? `${what}${line}` : line.trim());
}
