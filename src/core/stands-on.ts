import type { ChannelKind } from './channel.ts';
import type { Spec } from './protocol.ts';

/** What a protocol stands on, and what it needs of that. What does not suit is refused with the configuration. */
export interface StandsOn {
  /** The field with the specification of the protocol underneath. Where that is optional and left out: `otherwise`. */
  readonly field: string;
  /** The only kind of channel on which it can stand; left out, it can on either. */
  readonly kind?: ChannelKind;
  /** `false`: it cannot stand on channels that lose messages (UDP). */
  readonly lossy?: false;
  /**
   * On which protocol it stands where `field` is left out, and which of that one's fields it has itself then. Without it, on
   * none.
   *
   * @example { protocol: 'TCP', fields: ['port', 'address'] }
   */
  readonly otherwise?: { readonly protocol: string; readonly fields: readonly string[] };
}

/**
 * The specification of what is underneath; undefined where there is none.
 *
 * @example specBelow({ field: 'transport', otherwise: { protocol: 'TCP', fields: ['port'] } }, { protocol: 'HTTP', port: 80, path: '/' })
 * // { protocol: 'TCP', port: 80 }
 */
export function specBelow({ field, otherwise }: StandsOn, spec: Spec): Spec | undefined {
  const given = spec[field] as Spec | undefined;
  if (given !== undefined || !otherwise) return given;
  const own = otherwise.fields.filter((name) => spec[name] !== undefined).map((name) => [name, spec[name]]);
  return { protocol: otherwise.protocol, ...Object.fromEntries(own) };
}
