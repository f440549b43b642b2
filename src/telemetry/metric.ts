import type { Sample } from './counters.ts';

/** A metric, and how it is read when somebody asks for it. */
export interface Metric<S = unknown> {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: (from: S) => readonly Sample[];
}

export interface Scrape {
  /** The media type. */
  readonly type: string;
  readonly text: string;
}
