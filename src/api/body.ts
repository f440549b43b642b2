/** Request bodies: which types are taken, and the value in them. */

import { type Format, parse } from '../config/parse.ts';
import { L7mpError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { ownValue } from '../core/own-value.ts';
import { formatPointer } from '../core/pointer.ts';
import type { ApiRequest } from '../core/protocol.ts';
import type { Operation } from './operations.ts';

export const MEDIA_TYPES: Readonly<Record<string, Format>> = {
  'application/json': 'json',
  'application/x-json': 'json',
  'text/json': 'json',
  'text/x-json': 'json',
  'application/yaml': 'yaml',
  'application/x-yaml': 'yaml',
  'text/yaml': 'yaml',
  'text/x-yaml': 'yaml',
};

/** What the operation takes, out of its wrapper. A body of a read or a deletion is not looked at. */
export function readBody({ headers, body }: ApiRequest, { method, body: expected }: Operation): unknown {
  if (method !== 'POST' && method !== 'PUT') return undefined;
  if (expected?.optional && body.length === 0) return {};
  const value = parse(body, formatOf(headers));
  return expected === undefined || expected.key === '' ? value : unwrap(value, expected.key);
}

function formatOf(headers: ApiRequest['headers']): Format {
  const type =
    String(headers['content-type'] ?? '')
      .split(';')[0]
      ?.trim()
      .toLowerCase() ?? '';
  const format = ownValue(MEDIA_TYPES, type);
  if (!format) {
    const given = type === '' ? 'no content type' : `content type ${type}`;
    throw new L7mpError('E_MEDIA_TYPE', `${given}; the API takes ${Object.keys(MEDIA_TYPES).join(', ')}`);
  }
  const coding = String(headers['content-encoding'] ?? 'identity')
    .trim()
    .toLowerCase();
  if (coding !== 'identity') throw new L7mpError('E_MEDIA_TYPE', `content encoding ${coding}; the API takes none`);
  return format;
}

function unwrap(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new L7mpError('E_INVALID', `/: must be an object with the field ${key}`);
  }
  const extra = Object.keys(value).find((field) => field !== key);
  if (extra !== undefined) {
    const hint = nearest(extra, [key]) === undefined ? '' : `; did you mean ${key}?`;
    throw new L7mpError('E_INVALID', `${formatPointer([extra])}: unknown field${hint}`);
  }
  if (!Object.hasOwn(value, key)) throw new L7mpError('E_INVALID', `/${key}: missing`);
  return (value as Record<string, unknown>)[key];
}
