/** A session as the REST API shows it, as a schema: the static type of the view and the OpenAPI document are made of it. */
import Type, { type Static } from 'typebox';
import { Spec } from '../config/schema.ts';
import { strict } from '../core/schema.ts';

export const EndpointSpec = Type.Object({ address: Type.String(), port: Type.Optional(Type.Integer()) });

const StageStatus = Type.Enum(['INIT', 'READY', 'DISCONNECTED', 'RETRYING', 'END']);

const Traffic = {
  bytes: Type.Object(
    { in: Type.Integer(), out: Type.Integer() },
    { description: 'in has come from the peer, out has gone to it.' },
  ),
  messages: Type.Object({ in: Type.Integer(), out: Type.Integer() }),
  drops: Type.Record(Type.String(), Type.Integer(), { description: 'Messages that were lost, by reason.' }),
};

const StageAnswer = Type.Object({
  origin: Type.String({ description: 'The name of the cluster.' }),
  endpoint: Type.Union([Type.Null(), Type.Object({ name: Type.String(), spec: EndpointSpec })]),
  status: StageStatus,
  ...Traffic,
});

export const SessionAnswer = strict({
  name: Type.String(),
  worker: Type.Integer({ minimum: 0, description: 'The number of the worker in which it lives.' }),
  metadata: Type.Object({}, { description: 'Values of fields that hold credentials read `<redacted>`.' }),
  metadata_cut: Type.Optional(Type.Literal(true, { description: 'In a list: more metadata than 4 KiB are left out.' })),
  source: Type.Object({
    origin: Type.String({ description: 'The name of the listener.' }),
    listener: Spec,
    status: StageStatus,
    ...Traffic,
  }),
  destination: Type.Union([Type.Null(), StageAnswer]),
  ingress: Type.Array(StageAnswer),
  egress: Type.Array(StageAnswer),
  status: Type.Enum(['INIT', 'CONNECTED', 'DISCONNECTED', 'FINALIZING', 'DESTROYED']),
  route: Type.Union([Type.Null(), Type.String()]),
  pipes: Type.Array(Type.Enum(['kernel', 'native', 'userspace']), {
    description: 'Where each pipe runs: in the order of the stages, the way back last.',
  }),
  events: Type.Array(
    Type.Object({
      event: Type.String(),
      timestamp: Type.String({ format: 'date-time' }),
      message: Type.String(),
      content: Type.String(),
    }),
  ),
});

export type SessionView = Static<typeof SessionAnswer>;
