import type { Counters, OwnCounter, Sample } from '../telemetry/counters.ts';
import { sum } from './sum.ts';

/** The counts of several data planes as those of one. */
export function sumCounters(a: Counters, b: Counters): Counters {
  return { ...sum(a, b), own: mergeOwn([...a.own, ...b.own]) };
}

/** Each metric once; of samples with the same labels the sum. */
function mergeOwn(counters: readonly OwnCounter[]): OwnCounter[] {
  const merged = new Map<string, OwnCounter>();
  for (const counter of counters) {
    const before = merged.get(counter.name);
    merged.set(counter.name, before ? { ...before, samples: [...before.samples, ...counter.samples] } : counter);
  }
  return [...merged.values()].map((counter) => ({ ...counter, samples: mergeSamples(counter) }));
}

function mergeSamples({ labels, samples }: OwnCounter): Sample[] {
  const merged = new Map<string, Sample>();
  for (const sample of samples) {
    const key = JSON.stringify(labels.map((label) => sample.labels[label]));
    merged.set(key, { ...sample, value: sample.value + (merged.get(key)?.value ?? 0) });
  }
  return [...merged.values()];
}
