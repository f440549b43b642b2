/** The log: a JSON object for each line, on stdout. */
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** pino's levels, and those of the proxy's log by their nearest. */
export const LEVELS = {
  silent: 'silent',
  fatal: 'fatal',
  error: 'error',
  warn: 'warn',
  notice: 'info',
  info: 'info',
  debug: 'debug',
  verbose: 'debug',
  trace: 'trace',
  silly: 'trace',
} as const;

export type Level = keyof typeof LEVELS;

export function makeLog(level: Level): Logger {
  return pino({
    level: LEVELS[level],
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
