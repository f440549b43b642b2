/** The port to which a cluster connects: one that it names, or one that the session's metadata have. */
import { L7mpError } from '../core/errors.ts';
import type { Metadata } from '../core/metadata.ts';
import { getAt, type Pointer, parsePointer } from '../core/pointer.ts';
import type { Attempt } from '../core/protocol.ts';
import type { SchemaParts } from '../core/schema.ts';

/** As a checked specification has it; `offset` is added to what is at `path`. */
export type PortSpec = number | { readonly path: string; readonly offset?: number };

const HIGHEST = 65_535;

/** The field of a cluster. */
export const dialPortField = ({ Type, Port, strict }: SchemaParts) =>
  Type.Union(
    [
      Port,
      strict({
        path: Type.String({
          maxLength: 1024,
          description: 'Where the port is in the session’s metadata, as a JSON pointer: `/UDP/dst_port`.',
        }),
        offset: Type.Optional(
          Type.Integer({ minimum: -HIGHEST, maximum: HIGHEST, description: 'What is added to it. Default 0.' }),
        ),
      }),
    ],
    { description: 'The port of its endpoints, but for those that have one of their own.' },
  );

/** What the schema cannot say. Throws E_INVALID. */
export function checkDialPort(port: PortSpec | undefined): void {
  if (typeof port !== 'object') return;
  try {
    parsePointer(port.path);
  } catch (error) {
    throw new L7mpError('E_INVALID', `/port/path: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * What tells the port of an attempt: the endpoint's own, where it has one. It throws E_CONNECT, which says nothing against
 * the endpoint, where the metadata have no port.
 *
 * @example const portOf = dialPort(spec.port);
 * // dial: (attempt) => io.connectStream({ host: attempt.address, port: portOf(attempt) }, …)
 */
export function dialPort(port: PortSpec): (attempt: Attempt) => number;
/** Undefined where neither has one. */
export function dialPort(port: PortSpec | undefined): (attempt: Attempt) => number | undefined;
export function dialPort(port: PortSpec | undefined): (attempt: Attempt) => number | undefined {
  if (typeof port !== 'object') return (attempt) => attempt.port ?? port;
  const pointer = parsePointer(port.path);
  const { path, offset = 0 } = port;
  return (attempt) => attempt.port ?? portIn(attempt.session?.metadata, pointer, offset, path);
}

function portIn(metadata: Metadata | undefined, pointer: Pointer, offset: number, path: string): number {
  if (metadata === undefined)
    throw noPort(`the port is that of a session's metadata, at ${path}, and there is no session`);
  const found = getAt(metadata, pointer);
  if (found === undefined) throw noPort(`the session's metadata have nothing at ${path}, where the port should be`);
  const port = Number.isInteger(found) ? (found as number) + offset : Number.NaN;
  if (port >= 1 && port <= HIGHEST) return port;
  const text = JSON.stringify(found).slice(0, 80);
  throw noPort(
    `the session's metadata have no port at ${path}: ${text}${offset === 0 ? '' : `, and ${offset} to be added`}`,
  );
}

/** As connect(2) says where there is no destination: no other endpoint would have one, nor at another time. */
function noPort(message: string): L7mpError {
  return new L7mpError('E_CONNECT', message, { cause: { code: 'EDESTADDRREQ' } });
}
