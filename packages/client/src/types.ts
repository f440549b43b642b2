/** From the table of operations to what a request takes and gives. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Operations } from './openapi.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** The paths that have the method. */
export type PathOf<M extends Method> = {
  [P in keyof Operations]: M extends keyof Operations[P] ? P : never;
}[keyof Operations];

export type Operation<M extends Method, P extends PathOf<M>> = Operations[P] extends infer O
  ? M extends keyof O
    ? O[M] extends { answer: unknown }
      ? O[M]
      : never
    : never
  : never;

interface Common {
  readonly signal?: AbortSignal;
  /** In place of the client's. */
  readonly timeout?: number;
  /** In place of the client's. */
  readonly retries?: number;
}

type Fields<O, K extends string> = O extends { [Key in K]: infer T } ? { readonly [Key in K]: T } : unknown;

type Query<O> = O extends { query?: infer Q } ? { readonly query?: NonNullable<Q> } : unknown;

/** JSON text that is sent as it is, or text of another media type; bytes may be in parts, which are not put together. */
export type RawBody = string | Uint8Array | readonly Uint8Array[];

interface Raw {
  readonly raw: RawBody;
  /** Default application/json. */
  readonly contentType?: string;
  readonly body?: never;
}

type Body<O> = O extends { body: infer B }
  ? { readonly body: B; readonly raw?: never } | Raw
  : O extends { body?: infer B }
    ? { readonly body?: NonNullable<B>; readonly raw?: never } | Raw
    : unknown;

type Condition<M extends Method> = M extends 'GET'
  ? unknown
  : {
      /** An entity tag: the change is made only if it is the present one; else it is an `ApiError` with 412. */
      readonly ifMatch?: string;
    };

/** What goes with a request. Parts of the path are given as they are, and encoded. */
export type RequestOptions<M extends Method, P extends PathOf<M>> = Common &
  Fields<Operation<M, P>, 'params'> &
  Query<Operation<M, P>> &
  Body<Operation<M, P>> &
  Condition<M>;

/** Options may be left out where none is needed. */
export type Sent<M extends Method, P extends PathOf<M>> =
  Record<string, never> extends RequestOptions<M, P>
    ? [options?: RequestOptions<M, P>]
    : [options: RequestOptions<M, P>];

interface Answered {
  /** The version of the configuration, quoted. */
  readonly etag: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

export interface Answer<T> extends Answered {
  /** 201: what was named has been created. 202: it has only begun. */
  readonly status: 200 | 201 | 202;
  readonly body: T;
}

/** The configuration is still that of the entity tag. */
export interface Unchanged extends Answered {
  readonly status: 304;
  readonly body: undefined;
}

export type AnswerTo<M extends Method, P extends PathOf<M>> = Answer<Operation<M, P>['answer']>;

/** The reads that can be asked for what has changed. */
export type ConditionalPath = {
  [P in PathOf<'GET'>]: Operation<'GET', P> extends { conditional: true } ? P : never;
}[PathOf<'GET'>];
