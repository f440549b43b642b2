/** The object behind a full name: one of ours, or a derived one. */
import type { Kind, L7mpKind } from '../resources/kinds.ts';
import { L7MP_KINDS } from '../resources/kinds.ts';
import { parseReference } from '../resources/names.ts';
import type { Metadata, ObjectOf } from '../resources/objects.ts';
import type { DerivedObject } from './derived.ts';
import type { Reader } from './inputs.ts';
import type { Identity } from './unit.ts';

export interface Source {
  readonly identity: Identity;
  readonly object: ObjectOf<L7mpKind> | DerivedObject;
  readonly isDerived: boolean;
}

export function isOwnKind(kind: Kind): kind is L7mpKind {
  return Object.hasOwn(L7MP_KINDS, kind);
}

export function findSource(name: string, reader: Reader): Source | undefined {
  const derived = reader.derived(name);
  if (derived) {
    const identity = identify(name, derived.source, derived.metadata);
    return { identity, object: derived, isDerived: true };
  }
  const reference = parseReference(name, '');
  if (!reference?.kind || !isOwnKind(reference.kind)) return undefined;
  const object = reader.object(reference.kind, reference.namespace, reference.name);
  if (!object) return undefined;
  const { metadata, spec } = object;
  const owners = spec.updateOwners ? (metadata.ownerReferences ?? []) : [];
  return { identity: { ...identify(name, object.kind, metadata), owners }, object, isDerived: false };
}

function identify(name: string, kind: Kind, metadata: Metadata): Identity {
  return {
    name,
    key: { kind, namespace: metadata.namespace, name: metadata.name },
    uid: metadata.uid,
    generation: metadata.generation,
    // RFC 3339, in UTC, sorts as a text does; a space sorts before all that a name has.
    age: [metadata.creationTimestamp, metadata.namespace, metadata.name, name].join(' '),
    owners: [],
  };
}
