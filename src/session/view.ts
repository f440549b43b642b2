import type { Endpoint } from '../cluster/endpoint.ts';
import type { Channel, DropReason } from '../core/channel.ts';
import type { Registry } from '../core/registry.ts';
import type { SessionView } from './answer.ts';
import type { Session } from './session.ts';
import { shownMetadata } from './shown.ts';
import type { Stage, StageStatus } from './stage.ts';

/** Bytes of a session's metadata that a list shows. */
const LISTED_METADATA = 4096;

/** Fields that are made together. */
type MetadataField = 'metadata' | 'metadata_cut';

/** The data plane that shows its sessions. */
export interface Viewer {
  /** Its number. */
  readonly worker: number;
  readonly registry: Registry;
}

/** The other fields of a session, each made by itself. */
const FIELDS: {
  readonly [F in Exclude<keyof SessionView, MetadataField>]: (session: Session, viewer: Viewer) => SessionView[F];
} = {
  name: ({ name }) => name,
  worker: (_session, { worker }) => worker,
  source: (session, { registry }) => sourceView(session, registry),
  destination: ({ destination }) => (destination ? stageView(destination) : null),
  ingress: ({ ingress }) => ingress.map(stageView),
  egress: ({ egress }) => egress.map(stageView),
  status: ({ status }) => status,
  route: ({ route }) => route ?? null,
  pipes: ({ rungs }) => rungs,
  events: ({ events }) => events.view(),
};

/** A session as the REST API shows it, without credentials. */
export function sessionView(session: Session, viewer: Viewer): SessionView {
  return view(session, viewer) as SessionView;
}

/** A session in a list: what its client may have made large is cut. `fields`: those to show, else all. */
export function listedView(session: Session, viewer: Viewer, fields?: ReadonlySet<string>): Partial<SessionView> {
  return view(session, viewer, fields, LISTED_METADATA);
}

function view(
  session: Session,
  viewer: Viewer,
  fields?: ReadonlySet<string>,
  metadataBytes?: number,
): Partial<SessionView> {
  const wanted = (field: string): boolean => fields?.has(field) ?? true;
  if (fields?.size !== 0) session.refresh();
  const shown = wanted('metadata') ? shownMetadata(session.metadata, metadataBytes) : undefined;
  const { name, ...others }: Partial<SessionView> = Object.fromEntries(
    Object.entries(FIELDS)
      .filter(([field]) => wanted(field))
      .map(([field, show]) => [field, show(session, viewer)]),
  );
  return {
    ...(name !== undefined && { name }),
    ...(shown && { metadata: shown.metadata }),
    ...(shown?.cut && { metadata_cut: true }),
    ...others,
  };
}

function sourceView(session: Session, registry: Registry) {
  const { listener, source } = session;
  return {
    origin: listener.name,
    listener: registry.shown('listener', session.listenedBy.spec),
    status: sourceStatus(session),
    ...traffic(source),
    drops: drops(source.drops),
  };
}

function sourceStatus({ status, source }: Session): StageStatus {
  if (status === 'INIT') return 'INIT';
  return source.open && status !== 'DESTROYED' ? 'READY' : 'END';
}

function stageView(stage: Stage) {
  return {
    origin: stage.cluster.name,
    endpoint: stage.endpoint ? endpointView(stage.endpoint) : null,
    status: stage.status,
    ...traffic(stage.traffic),
    drops: drops(stage.drops),
  };
}

function endpointView({ name, address, port }: Endpoint) {
  return { name, spec: { address, ...(port !== undefined && { port }) } };
}

/** Seen from the peer's side: `in` has come from it, `out` has gone to it. */
function traffic({
  bytesIn,
  bytesOut,
  messagesIn,
  messagesOut,
}: Pick<Channel, 'bytesIn' | 'bytesOut' | 'messagesIn' | 'messagesOut'>) {
  return { bytes: { in: bytesIn, out: bytesOut }, messages: { in: messagesIn, out: messagesOut } };
}

function drops(counts: ReadonlyMap<DropReason, number> | undefined): Record<string, number> {
  return Object.fromEntries(counts ?? []);
}
