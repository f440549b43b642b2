/** What the `check` functions of layers refuse, as far as it is the form of a field: for the API server. */
import type { Role } from '../../src/core/registry.ts';
import type { Check, Schema } from './schema.ts';

const FROM_WHOM: Check = {
  rule: '!has(self.proxy_protocol_from) || (has(self.proxy_protocol) && self.proxy_protocol)',
  message: 'proxy_protocol_from means nothing without proxy_protocol',
};

const PAIR: Check = {
  rule: 'has(self.cert) == has(self.key)',
  message: 'cert and key: one needs the other',
  schema: {
    anyOf: [{ required: ['cert', 'key'] }, { not: { anyOf: [{ required: ['cert'] }, { required: ['key'] }] } }],
  },
};

const ASKS = "has(self.client_auth) && self.client_auth != 'none'";
const CERTIFIED =
  'has(self.cert) || (has(self.strict_sni) && self.strict_sni && has(self.certificates) && self.certificates.size() > 0)';

function ofServer({ properties = {} }: Schema): Check[] {
  const others = Object.keys(properties).filter((name) => name !== 'mode');
  // DTLS has no mode.
  const passes = properties.mode ? "(has(self.mode) && self.mode == 'passthrough')" : 'false';
  return [
    PAIR,
    {
      rule: `!${passes} || !(${others.map((name) => `has(self.${name})`).join(' || ')})`,
      message: 'mode passthrough, which decrypts nothing, stands alone',
    },
    {
      rule: `${passes} || ${CERTIFIED}`,
      message: 'cert: a listener that terminates TLS needs a certificate and its key',
    },
    { rule: `has(self.ca) == (${ASKS})`, message: 'ca and client_auth: one needs the other' },
  ];
}

const OF_CLIENT: readonly Check[] = [
  PAIR,
  {
    rule: '!has(self.ca) || !has(self.verify) || self.verify',
    message: 'ca means nothing with verify false',
  },
];

/** The fields of a protocol, with those of the layers below it checked. */
export function withLayerChecks(schema: Schema, role: Role): Schema {
  const { properties, checks = [] } = schema;
  if (!properties) return schema;
  const { tls, proxy_protocol_from: from } = properties;
  return {
    ...schema,
    properties: {
      ...properties,
      ...(tls && { tls: { ...tls, checks: role === 'listener' ? ofServer(tls) : OF_CLIENT } }),
    },
    checks: [...checks, ...(from ? [FROM_WHOM] : [])],
  };
}
