/** The header that a cluster sends, as its `header` field describes it. */
import { isDeeperThan, MAX_DEPTH } from '../../core/depth.ts';
import { asL7mpError, L7mpError } from '../../core/errors.ts';
import type { Json, Metadata } from '../../core/metadata.ts';
import { getAt, type Pointer, parsePointer, parseWritablePointer, setAt } from '../../core/pointer.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import { VERSION } from './header.ts';

export function headerSchema({ strict, Type }: SchemaParts) {
  const From = Type.String({ description: 'A JSON pointer into the metadata; what is not there is left out.' });
  const To = Type.String({
    description: 'A JSON pointer into the header. At the root, the default, an object’s keys are laid over it.',
  });

  return Type.Array(
    Type.Union(
      [
        strict({
          path: Type.Union([From, strict({ from: From, to: Type.Optional(To) })], {
            description: 'What is copied: where from, and where to.',
          }),
        }),
        strict({
          set: strict(
            {
              key: Type.String({ description: 'A JSON pointer into the header.' }),
              value: Type.Unknown({ description: 'Any JSON value.' }),
            },
            { description: 'A fixed value.' },
          ),
        }),
      ],
      { description: 'A copy, or a fixed value.' },
    ),
    {
      description:
        'What the header says beside JSONSocketVersion, in this order: copies of metadata, and fixed values.',
    },
  );
}

export type HeaderSpec = StaticOf<typeof headerSchema>;

type Step = (header: Metadata, metadata: Metadata) => void;

/**
 * Makes the function that makes the header of a session. Throws E_INVALID whose message begins with the field's path;
 * so does the function made, where what is in the metadata cannot stand at its place (text at the root, say).
 */
export function compileHeader(spec: HeaderSpec = []): (metadata: Metadata) => Metadata {
  const steps = spec.map(compileStep);
  return (metadata) => {
    const header: Metadata = { JSONSocketVersion: VERSION };
    for (const step of steps) step(header, metadata);
    header.JSONSocketVersion = VERSION;
    return header;
  };
}

function compileStep(item: HeaderSpec[number], n: number): Step {
  const at = `/header/${n}`;
  if ('set' in item) {
    const value = item.set.value as Json;
    const to = pointer(parseWritablePointer, item.set.key, `${at}/set/key`);
    if (isDeeperThan(value, MAX_DEPTH))
      throw new L7mpError('E_INVALID', `${at}/set/value: nested deeper than ${MAX_DEPTH}`);
    if (to.length === 0) put({}, to, value, `${at}/set/value`);
    return (header) => put(header, to, value, `${at}/set`);
  }
  const { from, to = '' } = typeof item.path === 'string' ? { from: item.path } : item.path;
  const source = pointer(parsePointer, from, typeof item.path === 'string' ? `${at}/path` : `${at}/path/from`);
  const target = pointer(parseWritablePointer, to, `${at}/path/to`);
  return (header, metadata) => {
    const value = getAt(metadata, source);
    if (value !== undefined) put(header, target, value, `${at}/path`);
  };
}

function put(header: Metadata, to: Pointer, value: Json, at: string): void {
  try {
    setAt(header, to, value);
  } catch (cause) {
    throw new L7mpError('E_INVALID', `${at}: ${asL7mpError(cause).message}`, { cause });
  }
}

function pointer(parse: (text: string) => Pointer, text: string, at: string): Pointer {
  try {
    return parse(text);
  } catch (cause) {
    throw new L7mpError('E_INVALID', `${at}: ${asL7mpError(cause).message}`, { cause });
  }
}
