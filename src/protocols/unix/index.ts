import { L7mpError } from '../../core/errors.ts';
import { defineProtocol } from '../../core/protocol.ts';
import type { SchemaParts } from '../../core/schema.ts';
import { socketAcceptor } from '../addresses.ts';

/** Bytes of a path that fit sockaddr_un.sun_path, with its final NUL (unix(7)). */
const MAX_PATH = 107;

/** The mode of the socket, which says who may connect, as octal digits. */
const fileMode = ({ Type }: SchemaParts) =>
  Type.String({
    pattern: '^0?[0-7]{3}$',
    description:
      'The mode of the socket’s file, in octal digits ("0660"): who may write to it may connect. Default: what the umask of the process leaves; "0600" where the API made the listener.',
  });

const filename = ({ Type }: SchemaParts) =>
  Type.String({ minLength: 1, description: 'The path of the socket, 107 bytes at most.' });

export const unix = defineProtocol({
  name: 'UnixDomainSocket',
  title: 'UNIX domain sockets, byte streams (unix(7)).',
  listener: {
    schema: (parts) => parts.strict({ filename: filename(parts), file_mode: parts.Type.Optional(fileMode(parts)) }),
    kind: 'stream',
    transport: true,
    sessionName: ({ listener, n }) => `UNIX:${listener}-${n}`,
    check: ({ filename }) => checkPath(filename),
    files: ({ filename }) => [{ field: '/filename', path: filename, use: 'listen' }],
    listen: ({ filename, file_mode: mode }, host) =>
      host.io.listenStream(
        { path: filename, mode: mode === undefined ? host.fileMode : Number.parseInt(mode, 8) },
        // Its peers have no addresses.
        { ...socketAcceptor('UNIX', host), admit: () => host.admit(), describe: () => ({ UNIX: { filename } }) },
      ),
  },
  cluster: {
    schema: (parts) => parts.strict({ filename: parts.Type.Optional(filename(parts)) }),
    kind: 'stream',
    transport: true,
    dialsPaths: true,
    defaultAddress: ({ filename }) => filename,
    check: ({ filename }) => filename !== undefined && checkPath(filename),
    files: ({ filename }) => (filename === undefined ? [] : [{ field: '/filename', path: filename, use: 'connect' }]),
    open: (_spec, { io, limits }) => ({
      dial: (attempt) => io.connectStream({ path: attempt.address }, attempt, limits),
    }),
  },
});

function checkPath(filename: string): void {
  if (Buffer.byteLength(filename) > MAX_PATH) {
    throw new L7mpError('E_INVALID', `/filename: longer than ${MAX_PATH} bytes`);
  }
}
