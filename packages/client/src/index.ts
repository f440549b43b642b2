/** A client of the l7mp proxy's REST API. */
export { Client, type ClientOptions } from './client.ts';
export { AnswerError, ApiError, ClientError, UnreachableError } from './errors.ts';
export type * from './openapi.ts';
export { type Agent, keepAlive, type TlsOptions, type TlsSource } from './transport.ts';
export type { Answer, ConditionalPath, Method, PathOf, RawBody, RequestOptions, Unchanged } from './types.ts';
