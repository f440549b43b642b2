import type { SchemaParts } from '../../core/schema.ts';

/** What begins with a header. */
type What = 'connection' | 'datagram';

/** Of a listener. */
export const announced =
  (what: What, versions: string) =>
  ({ Type }: SchemaParts) =>
    Type.Boolean({
      enum: [true],
      description: `Each ${what} begins with a PROXY header, of ${versions}. Default: none does.`,
    });

export const from = ({ Type }: SchemaParts) =>
  Type.Array(Type.String({ maxLength: 64, description: 'An IP address, or a CIDR.' }), {
    maxItems: 1024,
    description: 'Who sends a header, as IP addresses and CIDRs; others are served as they are. Default: everybody.',
  });

/** Of a cluster. */
export const announcing =
  (what: What, versions: string[]) =>
  ({ Type }: SchemaParts) =>
    Type.Enum(versions, { description: `The version of the PROXY header in front of each ${what}. Default: none.` });
