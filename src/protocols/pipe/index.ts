import type { FifoAddress } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import { type ClusterHost, type Dialer, defineProtocol, type FileUse, type ListenerHost } from '../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import { ensureFifo } from '../../io/fifo/files.ts';
import { socketAcceptor } from '../addresses.ts';

/** Bytes of a path that the kernel takes, without its NUL (PATH_MAX). */
const MAX_PATH = 4095;

function pipeSpec({ strict, Type }: SchemaParts, shorthand: 'read' | 'write') {
  const path = (description: string) => Type.Optional(Type.String({ minLength: 1, description }));
  return strict({
    read: path('The FIFO that is read; made where there is none. Default: nothing is read.'),
    write: path('The FIFO that is written; made where there is none. Default: nothing is written.'),
    filename: path(`The same as ${shorthand}. Default none.`),
    file_mode: Type.Optional(
      Type.String({
        pattern: '^0?[0-7]{3}$',
        description:
          'The mode of FIFOs that are made, in octal digits ("0660"). Default: what the umask of the process leaves; "0600" where the API named them.',
      }),
    ),
  });
}

type PipeSpec = StaticOf<(parts: SchemaParts) => ReturnType<typeof pipeSpec>>;
type Ends = Pick<FifoAddress, 'read' | 'write'>;

/** What the shorthand stands for. */
const ofListener = ({ read, write, filename }: PipeSpec): Ends => ({ read: read ?? filename, write });
const ofCluster = ({ read, write, filename }: PipeSpec): Ends => ({ read, write: write ?? filename });

/** What the API has named is for the proxy's user. */
const PRIVATE = 0o600;

export const pipe = defineProtocol({
  name: 'PIPE',
  title: 'FIFOs in the file system, byte streams (fifo(7)).',
  listener: {
    schema: (parts) => pipeSpec(parts, 'read'),
    kind: 'stream',
    transport: true,
    modes: ['singleton'],
    sessionName: ({ listener, n }) => `PIPE:${listener}-${n}`,
    check: (spec) => check(spec, ofListener(spec), 'read'),
    files: filesOf,
    listen,
  },
  cluster: {
    schema: (parts) => pipeSpec(parts, 'write'),
    kind: 'stream',
    transport: true,
    dialsPaths: true,
    defaultAddress: (spec) => ofCluster(spec).write ?? spec.read,
    check: (spec) => check(spec, ofCluster(spec), 'write'),
    checkAddress: (address) => checkPath(address, '/address'),
    files: filesOf,
    open,
  },
});

function check(spec: PipeSpec, { read, write }: Ends, shorthand: 'read' | 'write'): void {
  if (read === undefined && write === undefined) wrong('/filename', 'it is needed, or read, or write');
  if (spec.filename !== undefined && spec[shorthand] !== undefined)
    wrong('/filename', `it is the same as ${shorthand}`);
  if (read === write) wrong('/write', 'what is written there would be read at once');
  for (const { field, path } of filesOf(spec)) checkPath(path, field);
}

function checkPath(path: string, field: string): void {
  if (path.includes('\0')) wrong(field, 'it has a NUL');
  if (Buffer.byteLength(path) > MAX_PATH) wrong(field, `longer than ${MAX_PATH} bytes`);
}

function wrong(field: string, why: string): never {
  throw new L7mpError('E_INVALID', `${field}: ${why}`);
}

function filesOf(spec: PipeSpec): FileUse[] {
  return (['read', 'write', 'filename'] as const).flatMap((field): FileUse[] => {
    const path = spec[field];
    return path === undefined ? [] : [{ field: `/${field}`, path, use: 'fifo' }];
  });
}

function modeOf({ file_mode: mode }: PipeSpec): number | undefined {
  return mode === undefined ? undefined : Number.parseInt(mode, 8);
}

function listen(spec: PipeSpec, host: ListenerHost) {
  const { read, write } = ofListener(spec);
  const confined = host.fileMode !== undefined;
  return host.io.listenFifos(
    { read, write, mode: modeOf(spec) ?? host.fileMode, links: !confined },
    {
      ...socketAcceptor('PIPE', host),
      // Its writers are nobody in particular.
      admit: () => host.admit(),
      describe: () => ({ PIPE: { ...(read !== undefined && { read }), ...(write !== undefined && { write }) } }),
    },
  );
}

async function open(spec: PipeSpec, { io, limits, enclosure }: ClusterHost): Promise<Dialer> {
  const { read, write } = ofCluster(spec);
  const mode = modeOf(spec) ?? (enclosure && PRIVATE);
  for (const path of [read, write]) if (path !== undefined) await ensureFifo(path, mode);
  const links = enclosure === undefined;
  return {
    dial: (attempt) =>
      io.connectFifos({ read, write: write === undefined ? undefined : attempt.address, links }, attempt, limits),
  };
}
