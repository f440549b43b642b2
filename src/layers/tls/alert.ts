/** What ends a handshake before there is anything to encrypt it with (RFC 8446 section 6). */
export const ALERT = { handshakeFailure: 40, unrecognizedName: 112 } as const;

/** A fatal alert, as a record of its own. */
export function alert(description: (typeof ALERT)[keyof typeof ALERT]): Uint8Array {
  return Uint8Array.of(21, 3, 3, 0, 2, 2, description);
}
