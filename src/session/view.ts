import type { Endpoint } from '../cluster/endpoint.ts';
import type { Channel, DropReason } from '../core/channel.ts';
import type { Session } from './session.ts';
import type { Stage, StageStatus } from './stage.ts';

/** A session as the REST API shows it. */
export function sessionView(session: Session) {
  const { listener, source } = session;
  session.refresh();
  return {
    name: session.name,
    metadata: session.metadata,
    source: {
      origin: listener.name,
      listener: session.listenedBy.spec,
      status: sourceStatus(session),
      ...traffic(source),
      drops: drops(source.drops),
    },
    destination: session.destination ? stageView(session.destination) : null,
    ingress: session.ingress.map(stageView),
    egress: session.egress.map(stageView),
    status: session.status,
    route: session.route ?? null,
    pipes: session.rungs,
    events: session.events.view(),
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

function endpointView({ name, address }: Endpoint) {
  return { name, spec: { address } };
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
