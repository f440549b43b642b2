/* As much of WebSocket (RFC 6455) as the load needs: binary frames of one size that is below 126 bytes or takes two more. */
#ifndef L7MP_BENCH_WEBSOCKET_H
#define L7MP_BENCH_WEBSOCKET_H

#include "common.h"

enum { WS_BINARY = 0x82, WS_MASKED = 0x80, WS_LONG = 126 };

/* Writes a frame of zeros; a client's is masked by a key of zeros, which leaves them as they are. Returns its length. */
static inline size_t ws_frame(unsigned char *out, size_t size, bool masked) {
    size_t at = 0;
    out[at++] = WS_BINARY;
    if (size < WS_LONG) {
        out[at++] = (unsigned char)((masked ? WS_MASKED : 0) | size);
    } else {
        out[at++] = (masked ? WS_MASKED : 0) | WS_LONG;
        out[at++] = (unsigned char)(size >> 8);
        out[at++] = (unsigned char)size;
    }
    if (masked) at += 4;
    memset(out + at - (masked ? 4 : 0), 0, size + (masked ? 4 : 0));
    return at + size;
}

struct ws_stream {
    int fd;
    size_t length;
    unsigned char data[65536];
};

/* The whole length of the frame that begins there; 0 where too little has come to tell. */
static inline size_t ws_length(const unsigned char *data, size_t length) {
    if (length < 4) return 0;
    size_t size = data[1] & 0x7f, head = 2;
    if (size == WS_LONG) {
        size = (size_t)data[2] << 8 | data[3];
        head = 4;
    }
    return head + (data[1] & WS_MASKED ? 4 : 0) + size;
}

/* How many frames have come whole, which are dropped; below 0 where the stream has ended, or a frame of another kind has
 * come: that of the end. */
static inline int ws_receive(struct ws_stream *stream) {
    ssize_t n = recv(stream->fd, stream->data + stream->length, sizeof stream->data - stream->length, 0);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0) return -1;
    stream->length += (size_t)n;
    size_t at = 0;
    int frames = 0;
    for (size_t size; (size = ws_length(stream->data + at, stream->length - at)) > 0 && at + size <= stream->length; frames++) {
        if (stream->data[at] != WS_BINARY) return -1;
        at += size;
    }
    memmove(stream->data, stream->data + at, stream->length - at);
    stream->length -= at;
    return frames;
}

/* Reads the head of a request or an answer, into room that is enough for it. */
static inline void http_head(int fd, char *text, size_t room) {
    size_t length = 0;
    while (length < 4 || strcmp(text + length - 4, "\r\n\r\n") != 0) {
        if (length + 1 >= room || recv(fd, text + length, 1, 0) != 1) die("no head of a handshake");
        text[++length] = 0;
    }
}

#endif
