/** A subprotocol is a token (RFC 6455 section 4.1). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The subprotocols in a header; undefined where it is malformed, or has one of them twice. */
export function splitProtocols(header: string): string[] | undefined {
  const protocols = header.split(',').map((one) => one.trim());
  const valid = protocols.every((one) => TOKEN.test(one)) && new Set(protocols).size === protocols.length;
  return valid ? protocols : undefined;
}
