import { L7mpError } from '../core/errors.ts';
import type { LabelledCounter } from '../core/protocol.ts';
import { KEPT_SAMPLES, type OwnCounter, type Sample } from '../telemetry/counters.ts';
import { METRIC_NAMES } from '../telemetry/metrics.ts';

/** The counters of virtual clusters. */
export class OwnCounters {
  readonly #counters = new Map<string, SessionCounter>();

  /** The counter of a name; it is shared by all who ask for it. Throws E_DUPLICATE where the proxy has such a metric. */
  counter(name: string, help: string, labels: readonly string[]): LabelledCounter {
    if (METRIC_NAMES.has(name)) throw new L7mpError('E_DUPLICATE', `metric ${name} is taken`);
    const counter = this.#counters.get(name) ?? new SessionCounter(help, labels);
    this.#counters.set(name, counter);
    return counter;
  }

  read(): OwnCounter[] {
    return [...this.#counters].map(([name, counter]) => ({ name, ...counter.read() }));
  }
}

/** Samples that live sessions are asked for, and the last values of the sessions that ended last. */
class SessionCounter implements LabelledCounter {
  readonly #help: string;
  readonly #labels: readonly string[];
  readonly #live = new Set<{ readonly labels: Sample['labels']; value(): number }>();
  readonly #ended: Sample[] = [];

  constructor(help: string, labels: readonly string[]) {
    this.#help = help;
    this.#labels = labels;
  }

  watch(labels: Record<string, string>, value: () => number): () => void {
    const sample = { labels, value };
    this.#live.add(sample);
    return () => {
      if (!this.#live.delete(sample)) return;
      this.#ended.push({ labels, value: value() });
      if (this.#ended.length > KEPT_SAMPLES) this.#ended.shift();
    };
  }

  read(): Omit<OwnCounter, 'name'> {
    const live = [...this.#live].map(({ labels, value }) => ({ labels, value: value() }));
    return { help: this.#help, labels: this.#labels, samples: [...this.#ended, ...live] };
  }
}
