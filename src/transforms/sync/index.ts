import { sessionOf } from '../../core/attempt.ts';
import { asL7mpError, L7mpError } from '../../core/errors.ts';
import { formatPointer, getAt, type Pointer, parsePointer } from '../../core/pointer.ts';
import { type DiallingSession, defineProtocol } from '../../core/protocol.ts';
import { canonical } from './canonical.ts';
import { Group } from './group.ts';

export const sync = defineProtocol({
  name: 'Sync',
  title: 'Joins sessions with the same label: each message goes to all the others.',
  cluster: {
    schema: ({ strict, Type }) =>
      strict({
        query: Type.String({
          description: 'A JSON pointer to the label in the metadata. Sessions without it are refused.',
        }),
      }),
    kind: 'same',
    virtual: true,
    scope: 'proxy',
    check: ({ query }) => {
      parse(query);
    },
    open: ({ query }, { limits }) => {
      const pointer = parse(query);
      const groups = new Map<string, Group>();
      return {
        dial: (attempt) => {
          const session = sessionOf(attempt);
          const label = labelOf(session, pointer);
          let group = groups.get(label);
          if (!group) {
            group = new Group(() => groups.delete(label));
            groups.set(label, group);
          }
          return group.join(session.name, limits);
        },
      };
    },
  },
});

function parse(query: string): Pointer {
  try {
    return parsePointer(query);
  } catch (error) {
    throw new L7mpError('E_INVALID', `/query: ${asL7mpError(error).message}`, { cause: error });
  }
}

function labelOf({ metadata }: DiallingSession, pointer: Pointer): string {
  const label = getAt(metadata, pointer);
  if (label === undefined)
    throw new L7mpError('E_NO_ROUTE', `the session has no label at ${formatPointer(pointer) || '/'}`);
  return canonical(label);
}
