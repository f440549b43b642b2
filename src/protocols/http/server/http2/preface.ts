/** What tells HTTP/2 from HTTP/1.1 where nothing was agreed before (RFC 9113 section 3.4). */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Whether these first bytes of a connection begin HTTP/2; undefined while there are too few of them to tell. */
export function beginsHttp2(bytes: Uint8Array): boolean | undefined {
  const length = Math.min(bytes.length, PREFACE.length);
  for (let n = 0; n < length; n++) if (bytes[n] !== PREFACE[n]) return false;
  return length === PREFACE.length ? true : undefined;
}
