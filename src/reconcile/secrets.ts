import { L7mpError } from '../core/errors.ts';
import type { Json } from '../core/metadata.ts';
import { formatPointer, getAt, type Pointer, setAt } from '../core/pointer.ts';
import { REDACTED } from '../core/redacted.ts';
import type { Registry } from '../core/registry.ts';
import { type OpeningDefinition, opens } from '../model/kinds.ts';
import type { Change } from '../model/step.ts';

/**
 * What was read may be written back: where `<redacted>` stands for a secret that the object has, it keeps that one. Throws
 * E_INVALID where it has none there.
 */
export function keepSecrets(change: Change, registry: Registry): Change {
  const { before, after } = change;
  if (!after || !opens(after)) return change;
  const places = [...redactedIn(after.spec as unknown as Json, [])];
  if (places.length === 0) return change;
  const old = before && opens(before) && before.kind === after.kind ? before : undefined;
  const known = new Set(old && registry.secretsOf(old.kind, old.spec));
  const spec = structuredClone(after.spec);
  for (const place of places) {
    const field = formatPointer(place);
    const secret = known.has(field) ? getAt(old?.spec as unknown as Json, place) : undefined;
    if (secret === undefined) throw notShown(after, field);
    setAt(spec as never, place, secret);
  }
  return { ...change, after: { ...after, spec } };
}

function notShown({ kind, name }: OpeningDefinition, field: string): L7mpError {
  return new L7mpError(
    'E_INVALID',
    `/${kind}/spec${field}: ${REDACTED} stands for what was not shown, and ${name} has nothing there`,
  );
}

/** Where it stands. */
function* redactedIn(value: Json, place: Pointer): Generator<Pointer> {
  if (value === REDACTED) yield place;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, part] of Object.entries(value)) yield* redactedIn(part, [...place, key]);
}
