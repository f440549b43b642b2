import type { Acceptor, SocketChannel, UnixMessageAddress } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { type ClusterHost, type Dialer, defineProtocol, type ListenerHost } from '../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import { socketAcceptor } from '../addresses.ts';
import { messagesOf } from '../messages.ts';

/** Bytes of a path that fit sockaddr_un.sun_path with its final NUL, and of `@` and a name, which has none (unix(7)). */
const MAX_PATH = 107;
const MAX_NAME = 108;

/** Milliseconds of silence after which a correspondent is taken to be gone: such sockets never say so. */
const DGRAM_IDLE_TIMEOUT = 60_000;

/** The mode of the socket, which says who may connect, as octal digits. */
const fileMode = ({ Type }: SchemaParts) =>
  Type.String({
    pattern: '^0?[0-7]{3}$',
    description:
      'The mode of the socket’s file, in octal digits ("0660"): who may write to it may connect. Default: what the umask of the process leaves; "0600" where the API made the listener.',
  });

const filename = ({ Type }: SchemaParts) =>
  Type.String({ minLength: 1, description: 'The path of the socket, 107 bytes at most, or `@` and an abstract name.' });

const type = ({ Type }: SchemaParts) =>
  Type.Optional(
    Type.Enum(['stream', 'dgram', 'seqpacket'], {
      description: 'Connections of bytes, datagrams, or connections of messages. Default stream.',
    }),
  );

function listenerSpec(parts: SchemaParts) {
  const { strict, Type } = parts;
  return strict({ filename: filename(parts), type: type(parts), file_mode: Type.Optional(fileMode(parts)) });
}

function clusterSpec(parts: SchemaParts) {
  return parts.strict({ filename: parts.Type.Optional(filename(parts)), type: type(parts) });
}

type ListenerSpec = StaticOf<typeof listenerSpec>;
type ClusterSpec = StaticOf<typeof clusterSpec>;

const kindOf = ({ type }: { type?: string }) => (type === undefined || type === 'stream' ? 'stream' : 'datagram');
// The kernel loses none of them, but a queue behind a socket that many share may be full.
const isLossy = ({ type }: { type?: string }) => type === 'dgram';
const idleTimeoutOf = ({ type }: { type?: string }) => (type === 'dgram' ? DGRAM_IDLE_TIMEOUT : undefined);

export const unix = defineProtocol({
  name: 'UnixDomainSocket',
  title: 'UNIX domain sockets: byte streams, datagrams and sequenced packets (unix(7)).',
  listener: {
    schema: listenerSpec,
    kind: kindOf,
    lossy: isLossy,
    transport: true,
    idleTimeout: idleTimeoutOf,
    sessionName: ({ listener, n }) => `UNIX:${listener}-${n}`,
    check: ({ filename, file_mode: mode }) => {
      checkPath(filename, '/filename');
      if (mode !== undefined && filename.startsWith('@')) wrong('/file_mode', 'an abstract name has no file');
    },
    files: ({ filename }) => [{ field: '/filename', path: filename, use: 'listen' }],
    listen,
  },
  cluster: {
    schema: clusterSpec,
    kind: kindOf,
    lossy: isLossy,
    transport: true,
    dialsPaths: true,
    idleTimeout: idleTimeoutOf,
    defaultAddress: ({ filename }) => filename,
    check: ({ filename }) => filename !== undefined && checkPath(filename, '/filename'),
    checkAddress: (address) => checkPath(address, '/address'),
    files: ({ filename }) => (filename === undefined ? [] : [{ field: '/filename', path: filename, use: 'connect' }]),
    open,
  },
});

function checkPath(path: string, field: string): void {
  const bytes = Buffer.byteLength(path);
  if (path.includes('\0')) wrong(field, 'it has a NUL');
  if (path === '@') wrong(field, 'no name stands behind the @');
  if (path.startsWith('@') ? bytes > MAX_NAME : bytes > MAX_PATH) wrong(field, `longer than ${MAX_PATH} bytes`);
}

function wrong(field: string, why: string): never {
  throw new L7mpError('E_INVALID', `${field}: ${why}`);
}

async function listen(spec: ListenerSpec, host: ListenerHost) {
  const { filename, file_mode: own, type = 'stream' } = spec;
  const mode = own === undefined ? host.fileMode : Number.parseInt(own, 8);
  const acceptor: Acceptor = {
    ...socketAcceptor('UNIX', host),
    // Its peers have no addresses.
    admit: () => host.admit({ lossy: type === 'dgram' }),
    describe: (channel) => describe(spec, channel),
  };
  if (type === 'stream') return host.io.listenStream({ path: filename, mode }, acceptor);
  const messages = messagesOf(nameOf(type), host.io);
  return messages.listen({ type: 'unix', kind: type, path: filename, mode }, acceptor, host.gathering);
}

function describe({ filename, type = 'stream' }: ListenerSpec, { credentials }: SocketChannel): Metadata {
  return { UNIX: { filename, type, ...(credentials && { peer: { ...credentials } }) } };
}

function open({ type = 'stream' }: ClusterSpec, { io, limits, gathering }: ClusterHost): Dialer {
  if (type === 'stream') return { dial: (attempt) => io.connectStream({ path: attempt.address }, attempt, limits) };
  const messages = messagesOf(nameOf(type), io);
  const to = (path: string): UnixMessageAddress => ({ type: 'unix', kind: type, path });
  return { dial: (attempt) => messages.connect(to(attempt.address), attempt, { limits, gathering }) };
}

function nameOf(type: UnixMessageAddress['kind']): string {
  return `UnixDomainSocket of type ${type}`;
}
