/** The schema of `tls`, on either side. */
import type { SchemaParts } from '../../core/schema.ts';

/** Characters of PEM text, or of a path: larger ones are for files. */
const MAX_TEXT = 65_536;

const text = ({ Type }: SchemaParts, description: string) =>
  Type.String({ minLength: 1, maxLength: MAX_TEXT, description });

const pair = (parts: SchemaParts) => ({
  cert: text(parts, 'The certificate and those above it: a path, or PEM text.'),
  key: text(parts, 'Its key, not encrypted: likewise. PEM text reads `<redacted>`.'),
});

const common = (parts: SchemaParts) => {
  const { Type } = parts;
  const { cert, key } = pair(parts);
  return {
    cert: Type.Optional(cert),
    key: Type.Optional(key),
    alpn: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 255, description: 'As `h2`.' }), {
        minItems: 1,
        maxItems: 64,
        description: 'Protocols by ALPN, the preferred first. Default none, but what HTTP and WebSocket speak.',
      }),
    ),
    groups: Type.Optional(
      Type.Array(
        Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'As OpenSSL names it: `X25519`, `P-256`, …' }),
        {
          minItems: 1,
          maxItems: 16,
          description: 'Groups for the exchange of keys, the preferred first. Default OpenSSL’s choice.',
        },
      ),
    ),
    min_version: Type.Optional(Type.Enum(['1.2', '1.3'], { description: 'Default 1.2.' })),
    resumption: Type.Optional(
      Type.Boolean({ description: 'Whether who comes back has a shorter handshake. Default true.' }),
    ),
  };
};

/** Those of a listener. */
export const serverProperties = (parts: SchemaParts) => {
  const { Type, strict } = parts;
  const servername = Type.String({
    pattern: '^(\\*\\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$',
    description: '`*.` stands for one label.',
  });
  const servernames = Type.Array(servername, { minItems: 1, description: 'Names of servers.' });
  return {
    ...common(parts),
    ca: Type.Optional(text(parts, 'Who has signed the certificates of clients.')),
    client_auth: Type.Optional(
      Type.Enum(['none', 'request', 'require'], {
        description: 'Whether clients are asked for certificates; `request` takes a bad one for none. Default none.',
      }),
    ),
    certificates: Type.Optional(
      Type.Array(strict({ servernames, ...pair(parts) }, { description: 'One of them.' }), {
        maxItems: 10_000,
        description: 'Other certificates, for clients that ask for these names.',
      }),
    ),
    strict_sni: Type.Optional(
      Type.Boolean({ description: 'Who asks for any other name gets an alert, not `cert`. Default false.' }),
    ),
    mode: Type.Optional(
      Type.Enum(['terminate', 'passthrough'], {
        description:
          'passthrough reads the ClientHello, for rules on /TLS/servername, and decrypts nothing. Default terminate.',
      }),
    ),
  };
};

export const serverFields = (parts: SchemaParts) =>
  optional(parts, parts.strict(serverProperties(parts)), 'TLS 1.2 and 1.3. Default none.');

/** Those of a cluster. */
export const clientProperties = (parts: SchemaParts) => {
  const { Type } = parts;
  return {
    ...common(parts),
    ca: Type.Optional(text(parts, 'Who has signed those of endpoints. Default: whom Node trusts.')),
    servername: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description: 'Whose certificate it must be. Default the endpoint’s address.',
      }),
    ),
    verify: Type.Optional(
      Type.Boolean({ description: 'Whether certificates of endpoints are verified. Default true.' }),
    ),
  };
};

export const clientFields = (parts: SchemaParts) =>
  optional(
    parts,
    parts.strict(clientProperties(parts)),
    'TLS 1.2 and 1.3 to endpoints; true for all defaults. Default none.',
  );

/** `true` stands for an object without fields. */
export function optional<T extends ReturnType<SchemaParts['strict']>>(
  { Type }: SchemaParts,
  fields: T,
  description: string,
) {
  return Type.Union([Type.Literal(true), fields], { description });
}
