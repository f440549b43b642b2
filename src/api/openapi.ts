/** The OpenAPI 3.1 document, made of the table of operations and the schemas: nothing is written twice. */
import type { TSchema } from 'typebox';
import { commonOptions, listenerOptions } from '../config/schema.ts';
import { ERRORS } from '../core/errors.ts';
import type { ClusterSide, ListenerSide } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import { strict } from '../core/schema.ts';
import { VERSION } from '../version.ts';
import { PREFIX } from './api.ts';
import { STYLES } from './format.ts';
import { OPERATIONS, type Operation } from './operations.ts';

const ERROR_SCHEMA = {
  type: 'object',
  required: ['status', 'message', 'content'],
  properties: {
    status: { type: 'integer' },
    message: { type: 'string', description: 'The text of the HTTP status.' },
    content: { type: 'string', description: 'What is wrong, and in which field.' },
  },
};

const OK_SCHEMA = {
  type: 'object',
  properties: { status: { const: 200 }, message: { const: 'OK' } },
  required: ['status', 'message'],
};

export function openApiDocument(registry: Registry): object {
  return {
    openapi: '3.1.0',
    info: { title: 'l7mp REST API', version: VERSION, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: PREFIX }],
    paths: paths(),
    components: { schemas: { Error: ERROR_SCHEMA, Ok: OK_SCHEMA, ...protocolSchemas(registry) } },
  };
}

function paths(): Record<string, Record<string, object>> {
  const all: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    all[operation.path] ??= {};
    (all[operation.path] as Record<string, object>)[operation.method.toLowerCase()] = describe(operation);
  }
  return all;
}

function describe({ id, method, path, summary, body, recursive }: Operation): object {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const parameters = [
    ...names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...(recursive ? [{ name: 'recursive', in: 'query', schema: { type: 'boolean', default: false } }] : []),
    { name: 'format', in: 'query', schema: { enum: Object.keys(STYLES), default: 'plain' } },
  ];
  const content = (schema: object) => ({ 'application/json': { schema } });
  return {
    operationId: id,
    summary,
    parameters,
    ...(body && {
      requestBody: { required: true, content: { ...content(wrap(body)), 'application/yaml': { schema: wrap(body) } } },
    }),
    responses: {
      200: { description: 'OK', content: content(method === 'GET' ? {} : { $ref: '#/components/schemas/Ok' }) },
      ...Object.fromEntries(errorStatuses(method).map((status) => [status, errorResponse(status)])),
    },
  };
}

function wrap({ key, schema }: { key: string; schema: TSchema }): object {
  return key === '' ? schema : strict({ [key]: schema });
}

function errorStatuses(method: Operation['method']): number[] {
  return method === 'POST' ? [400, 403, 413, 415, 422, 500] : [400, 404, 500];
}

function errorResponse(status: number): object {
  const codes = Object.entries(ERRORS).filter(([, error]) => error.status === status);
  return {
    description: codes.map(([, error]) => error.doc).join(' '),
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  };
}

/** For each protocol, what stands in `spec` and `options` of its listeners and clusters. */
function protocolSchemas(registry: Registry): Record<string, object> {
  const schemas: Record<string, object> = {};
  for (const { name, title, listener, cluster } of registry.all()) {
    if (listener) schemas[`${name}Listener`] = side(name, title, listener, listenerOptions);
    if (cluster) schemas[`${name}Cluster`] = side(name, title, cluster, commonOptions);
  }
  return schemas;
}

function side(name: string, title: string, { schema, options }: ListenerSide | ClusterSide, common: object): object {
  const spec = { ...schema, properties: { protocol: { const: name }, ...schema.properties } };
  return {
    description: title,
    type: 'object',
    properties: {
      spec: { ...spec, required: ['protocol', ...(schema.required ?? [])] },
      options: strict({ ...common, ...options }),
    },
  };
}
