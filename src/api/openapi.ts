/** The OpenAPI 3.1 document, made of the table of operations and the schemas: nothing is written twice. */
import { ERRORS } from '../core/errors.ts';
import type { Registry } from '../core/registry.ts';
import { strict } from '../core/schema.ts';
import { VERSION } from '../version.ts';
import { ErrorAnswer, OkAnswer } from './answers.ts';
import { PREFIX } from './api.ts';
import { MEDIA_TYPES } from './body.ts';
import { components, type Json, refer } from './components.ts';
import { OPERATIONS, type Operation } from './operations.ts';
import { PARAMETERS } from './parameters.ts';

const QUERY = Object.fromEntries(
  Object.entries(PARAMETERS).map(([name, { description, schema }]) => [
    name,
    { name, in: 'query', description, schema },
  ]),
);

const CONDITIONS = {
  'If-Match': {
    name: 'If-Match',
    in: 'header',
    description: 'The change is made only if this is the entity tag of the present configuration.',
    schema: { type: 'string' },
  },
  'If-None-Match': {
    name: 'If-None-Match',
    in: 'header',
    description: 'Answered with 304 if this is the entity tag of the present configuration.',
    schema: { type: 'string' },
  },
};

const ETAG = { ETag: { description: 'The version of the configuration.', schema: { type: 'string' } } };

/** What a token is asked for with. */
const SECURITY = { token: { type: 'http', scheme: 'bearer', description: 'Where `admin.auth` asks for one.' } };

const ERROR_STATUSES: Readonly<Record<Operation['method'], readonly number[]>> = {
  GET: [400, 401, 403, 404, 500],
  POST: [400, 401, 403, 404, 412, 413, 415, 422, 500],
  PUT: [400, 401, 403, 404, 409, 412, 413, 415, 422, 500],
  DELETE: [400, 401, 403, 404, 412, 500],
};

export function openApiDocument(registry: Registry): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'l7mp REST API',
      version: VERSION,
      description: 'The control of the l7mp proxy. Paths in errors are JSON pointers into what was sent.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: PREFIX }],
    paths: paths(),
    security: [{}, { token: [] }],
    components: {
      schemas: components(registry),
      parameters: { ...QUERY, ...CONDITIONS },
      responses: errorResponses(),
      securitySchemes: SECURITY,
    },
  };
}

function paths(): Json {
  const all: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    const path = all[operation.path] ?? {};
    all[operation.path] = { ...path, [operation.method.toLowerCase()]: describe(operation) };
  }
  return all;
}

function describe(operation: Operation): Json {
  const {
    id,
    method,
    path,
    summary,
    body,
    answer = OkAnswer,
    recursive,
    query = [],
    open,
    settled,
    creates,
    accepts,
  } = operation;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  return {
    operationId: id,
    summary,
    ...(open && { security: [] }),
    parameters: [
      ...names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...[...(recursive ? ['recursive'] : []), 'format', ...query].map((parameter) => ({
        $ref: `#/components/parameters/${parameter}`,
      })),
      ...(settled ? [{ $ref: '#/components/parameters/If-None-Match' }] : []),
      ...(method === 'GET' ? [] : [{ $ref: '#/components/parameters/If-Match' }]),
    ],
    ...(body && {
      requestBody: { required: !body.optional, content: content(Object.keys(MEDIA_TYPES), bodySchema(body)) },
    }),
    responses: {
      [accepts ? 202 : 200]: {
        description: accepts ? 'Accepted' : 'OK',
        headers: ETAG,
        content: content(['application/json'], refer(answer)),
      },
      ...(creates && {
        201: { description: 'Created', headers: ETAG, content: content(['application/json'], refer(answer)) },
      }),
      ...(settled && { 304: { description: 'The client has it already.' } }),
      ...Object.fromEntries(
        ERROR_STATUSES[method].map((status) => [status, { $ref: `#/components/responses/${status}` }]),
      ),
    },
  };
}

function bodySchema({ key, schema }: NonNullable<Operation['body']>): Json {
  return key === '' ? refer(schema) : refer(strict({ [key]: schema }));
}

function content(types: readonly string[], schema: Json): Json {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

function errorResponses(): Json {
  const statuses = new Set(Object.values(ERROR_STATUSES).flat());
  return Object.fromEntries([...statuses].map((status) => [status, errorResponse(status)]));
}

function errorResponse(status: number): Json {
  const codes = Object.values(ERRORS).filter((error) => error.status === status);
  return {
    description: codes.map(({ doc }) => doc).join(' '),
    content: content(['application/json'], refer(ErrorAnswer)),
  };
}
