import type { Channel } from '../../core/channel.ts';
import { isObject } from '../../core/metadata.ts';
import type { Spec } from '../../core/protocol.ts';
import { type ClientInput, fieldsOf, type ServerInput } from './settings.ts';

/** A specification that offers these protocols by ALPN (RFC 7301), where it has TLS and does not say which. */
export function offering(spec: Spec, protocols: readonly string[]): Spec {
  if (spec.tls === undefined) return spec;
  const tls = fieldsOf(spec.tls as (ServerInput & ClientInput) | true);
  return tls.alpn || tls.mode === 'passthrough' ? spec : { ...spec, tls: { ...tls, alpn: protocols } };
}

/** Which protocol both sides of a connection have agreed on; undefined where it has no TLS, or they have on none. */
export function agreedProtocol(channel: Channel): string | undefined {
  const { TLS: tls } = channel.describe();
  return isObject(tls) && typeof tls.alpn === 'string' ? tls.alpn : undefined;
}
