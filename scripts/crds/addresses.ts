/** What addresses look like: a little less strict than src/core/address.ts, which the proxies check with. */
import type { Schema } from './schema.ts';

const IPV4 = '[0-9]{1,3}(\\.[0-9]{1,3}){3}';
/** Two colons at least: one alone stands before a port, which has a field of its own. */
const IPV6 = '\\[?[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*(%[^\\s%\\]]+)?\\]?';
/** Names in ASCII. The last label has a letter: 127.1 is no address, and no name. */
const NAME = '([A-Za-z0-9_][A-Za-z0-9_-]*\\.)*[A-Za-z0-9_-]*[A-Za-z_][A-Za-z0-9_-]*\\.?';

const IP = `^(${IPV4}|${IPV6})$`;
export const HOST = `^(${IPV4}|${IPV6}|${NAME})$`;

/** Characters of a host's name at most (RFC 1035, section 2.3.4). */
export const LONGEST_HOST = 253;

const NETWORK = `(${IPV4}|${IPV6})(/[0-9]{1,3})?`;

/** Lists of addresses and networks, by their names. */
const LISTS: Readonly<Record<string, string>> = {
  addresses: IP,
  allow: `^${NETWORK}$`,
  deny: `^${NETWORK}$`,
  proxy_protocol_from: `^${NETWORK}$`,
  // Who comes by a UNIX socket has no address.
  trusted: `^(unix|${NETWORK})$`,
};

/**
 * The fields of a protocol, or options, with the addresses among them checked: those of this machine in `bind`, and where there are
 * several, are IP addresses.
 */
export function withAddresses(schema: Schema, pattern = HOST): Schema {
  const { properties } = schema;
  if (!properties) return schema;
  const checked = Object.entries(properties).map(([name, field]): [string, Schema] => {
    if (name === 'address') return [name, { ...field, pattern, maxLength: LONGEST_HOST }];
    const items = LISTS[name];
    if (items !== undefined) return [name, { ...field, items: { ...field.items, pattern: items } }];
    return [name, withAddresses(field, name === 'bind' ? IP : pattern)];
  });
  return { ...schema, properties: Object.fromEntries(checked) };
}
