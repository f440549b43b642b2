/** What a connected socket’s state is made of, in one word: a field for each would cost every session a hundred bytes. */

/** There may be something to receive. */
export const READABLE = 1;
/** Less than was asked for does not say that there is no more. */
export const CUT_SHORT = 2;
/** The peer has ended: after less than was asked for comes its end, which need not be asked for. */
export const LAST = 4;
/** Its end was received. */
export const ENDED = 8;
/** Its end was told, after all that came before was handed on. */
export const TOLD = 16;
/** Our direction has ended. */
export const SHUT = 32;
/** Our direction ends when nothing waits any more. */
export const SHUT_LATER = 64;
/** JavaScript takes what comes. */
export const READ = 128;
/** Its end is passed on to the other one of a relay. */
export const PASSES = 256;
/** The stream hears of room to write. */
export const HEARS_ROOM = 512;
/** The stream is to go on later. */
export const DEFERRED = 1024;
/** The stream closes then, as it was told: nothing is received any more. */
export const OVER = 2048;
/** The stream was closed here: what waits is delivered, what comes is thrown away. */
export const CLOSING = 4096;
/** The stream has no descriptor any more. */
export const GONE = 8192;
/** The kernel asks from time to time whether its peer is still there, where there is a network between them. */
export const WATCHED = 16384;
