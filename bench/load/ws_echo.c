/* Echoes WebSocket messages of one size: as many frames as came whole are answered by as many. */
#include "websocket.h"

enum { EVENTS = 64 };

static struct ws_stream *streams[65536];

/* -------------------------------------------------------------------- the handshake */

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* SHA-1 (RFC 3174) of a text below 120 bytes: two blocks. */
static void sha1(const char *text, unsigned char digest[20]) {
    unsigned char blocks[128] = {0};
    size_t length = strlen(text);
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memcpy(blocks, text, length);
    blocks[length] = 0x80;
    blocks[126] = (unsigned char)(length * 8 >> 8);
    blocks[127] = (unsigned char)(length * 8);
    for (int block = 0; block < 2; block++) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++) {
            const unsigned char *p = blocks + 64 * block + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
            uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
            uint32_t next = rotate(a, 5) + f + e + k + w[i];
            e = d, d = c, c = rotate(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const unsigned char digest[20], char out[29]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 28; i++) {
        int bit = i * 6, at = bit / 8;
        unsigned pair = (unsigned)digest[at] << 8 | (at + 1 < 20 ? digest[at + 1] : 0u);
        out[i] = letters[pair >> (10 - bit % 8) & 63];
    }
    out[27] = '=';
    out[28] = 0;
}

static void shake(int fd) {
    char head[8192] = {0}, text[160], answer[256], accept[29];
    unsigned char digest[20];
    http_head(fd, head, sizeof head);
    char *key = strcasestr(head, "sec-websocket-key:");
    if (!key || sscanf(key + 18, " %60[^\r]", text) != 1) die("no WebSocket");
    strcat(text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    sha1(text, digest);
    base64(digest, accept);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
    if (send(fd, answer, (size_t)length, 0) != length) die("send");
}

/* -------------------------------------------------------------------- the echo */

static unsigned char frames[65536];
static size_t frame;

static void serve(struct ws_stream *stream) {
    int count = ws_receive(stream);
    for (int n; count > 0; count -= n) {
        n = count < (int)(sizeof frames / frame) ? count : (int)(sizeof frames / frame);
        if (send(stream->fd, frames, frame * (size_t)n, 0) < 0) count = -1;
    }
    if (count == 0) return;
    close(stream->fd);
    free(stream);
}

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS SIZE";
    int listening = tcp_listen(number(argc, argv, 1, usage));
    bounded((unsigned)number(argc, argv, 2, usage));
    size_t size = (size_t)number(argc, argv, 3, usage);
    errno = 0;
    if (!size || size > 1000) die("messages have 1 to 1000 bytes");
    for (size_t at = 0; at + size + 4 <= sizeof frames; at += frame) frame = ws_frame(frames + at, size, false);
    int epoll = serve_on(listening);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = (int)events[i].data.u32;
            if (fd != listening) {
                serve(streams[fd]);
                continue;
            }
            if ((fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) < 0) continue;
            shake(fd);
            non_blocking(fd);
            streams[fd] = calloc(1, sizeof **streams);
            streams[fd]->fd = fd;
            watch(epoll, fd, EPOLLIN, (uint32_t)fd);
        }
    }
}
