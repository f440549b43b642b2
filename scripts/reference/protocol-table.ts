/** The table of all protocols by what their sessions are like, out of their definitions. */
import { schemaOf } from '../../src/config/side-schema.ts';
import type { ClusterSide, ListenerSide, Protocol, StreamKind } from '../../src/core/protocol.ts';
import type { Registry } from '../../src/core/registry.ts';
import { pageOf } from './protocols.ts';
import { type Schema, table } from './tables.ts';

const STREAMS: Readonly<Record<StreamKind, string>> = {
  datagram: 'datagram-stream',
  stream: 'byte-stream',
  same: 'as it comes',
};

/** Where peers are. */
const PLACES = ['Remote', 'Local', 'Transform'] as const;

const HEAD = ['Type', 'Protocol', 'Session ID', 'Stream', 'Role', 'Mode', 'Re/Lb', 'Status'];

export function sessionTable(registry: Registry): string {
  const all = registry.all();
  const rows = PLACES.flatMap((place) => all.filter((one) => placeOf(one) === place).flatMap(rowsOf));
  return table(HEAD, rows);
}

function placeOf({ cluster }: Protocol): (typeof PLACES)[number] {
  if (cluster?.dialsPaths || cluster?.runsCode) return 'Local';
  return cluster?.virtual ? 'Transform' : 'Remote';
}

/** One row, or one for each type of socket. */
function rowsOf(protocol: Protocol): string[][] {
  const side = (protocol.listener ?? protocol.cluster) as ListenerSide | ClusterSide;
  const types = typeof side.kind === 'function' ? valuesOf(side, 'type') : undefined;
  return (types ?? [undefined]).map((type) => {
    const link = `[${protocol.name}${type ? `/${type}` : ''}](${pageOf(protocol.name)})`;
    const stream = streamOf(side, type);
    return [
      placeOf(protocol),
      link,
      sessionId(protocol),
      stream,
      roleOf(protocol),
      modeOf(protocol),
      reLb(protocol),
      'Full',
    ];
  });
}

function valuesOf(side: ListenerSide | ClusterSide, field: string): readonly string[] | undefined {
  const { properties } = schemaOf(side) as Schema;
  return properties?.[field]?.enum as readonly string[] | undefined;
}

function streamOf({ kind }: ListenerSide | ClusterSide, type: string | undefined): string {
  if (typeof kind !== 'function') return STREAMS[kind];
  if (type === undefined) return 'as its transport';
  return STREAMS[(kind as (spec: object, kindOf: () => StreamKind) => StreamKind)({ type }, () => 'stream')];
}

/** The name that its sessions have, with words in the place of what is known of each. */
function sessionId({ listener }: Protocol): string {
  if (!listener) return 'N/A';
  const ends = {
    src_addr: '<src>',
    dst_addr: '<dst>',
    src_port: '<port>',
    dst_port: '<port>',
    interface: '<interface>',
  };
  const metadata = new Proxy({}, { get: () => ends });
  const name = listener.sessionName({ listener: '<listener>', n: '<n>' as unknown as number, metadata });
  return `\`${name}\``;
}

function roleOf({ listener, cluster }: Protocol): string {
  return [listener ? 'l' : '', cluster ? 'c' : ''].filter(Boolean).join('/');
}

function modeOf({ listener }: Protocol): string {
  if (!listener) return 'singleton';
  return (listener.modes ?? ['server']).join('/');
}

/** Whether a session that loses its endpoint gets another connection, and whether there are several endpoints to choose from. */
function reLb({ cluster }: Protocol): string {
  if (!cluster || cluster.runsCode) return 'no/no';
  return `yes/${cluster.virtual ? 'no' : 'yes'}`;
}
