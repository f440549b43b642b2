/** The levels of the log, from the most talkative; the seed's names. */
export const LEVELS = ['silly', 'verbose', 'info', 'notice', 'warn', 'error'] as const;

export type Level = (typeof LEVELS)[number];
export type Threshold = Level | 'silent';

/**
 * Where events are told: one line an event, with the name of the object it is about. Never throws. Ask `enabled`
 * before putting a text together on a busy path.
 */
export interface Log {
  enabled(level: Level): boolean;
  write(level: Level, object: string, message: string): void;
}

/** A log that says nothing. */
export const SILENT: Log = { enabled: () => false, write: () => {} };
