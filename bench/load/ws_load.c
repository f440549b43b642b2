/* CONNECTIONS WebSockets with IN_FLIGHT messages each on their way; each echo is answered by the next message. */
#include "websocket.h"

enum { EVENTS = 64 };

static const char HANDSHAKE[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static unsigned char frames[65536];

static void shake(int fd, long port) {
    char head[4096] = {0};
    if (send(fd, HANDSHAKE, sizeof HANDSHAKE - 1, 0) < 0) die("send to port %ld", port);
    http_head(fd, head, sizeof head);
    errno = 0;
    if (strncmp(head, "HTTP/1.1 101", 12) != 0) die("the upgrade is answered %.20s", head);
}

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS CONNECTIONS IN_FLIGHT SIZE";
    long port = number(argc, argv, 1, usage), seconds = number(argc, argv, 2, usage);
    long count = number(argc, argv, 3, usage), in_flight = number(argc, argv, 4, usage), size = number(argc, argv, 5, usage);
    errno = 0;
    if (!count || !in_flight || !size || in_flight * (size + 8) > (long)sizeof frames) die("too much in flight");
    bounded((unsigned)seconds + 60);
    size_t frame = 0;
    for (long i = 0; i < in_flight; i++) frame = ws_frame(frames + (size_t)i * frame, (size_t)size, true);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct ws_stream *streams = calloc((size_t)count, sizeof *streams);
    for (long i = 0; i < count; i++) {
        streams[i].fd = tcp_dial(port);
        shake(streams[i].fd, port);
        /* A first echo: the proxy's session stands before the clock starts. */
        if (send(streams[i].fd, frames, frame, 0) < 0) die("send");
        for (int n; (n = ws_receive(&streams[i])) != 1;)
            if (n < 0) die("connection %ld has no echo", i);
        non_blocking(streams[i].fd);
        watch(epoll, streams[i].fd, EPOLLIN, (uint32_t)i);
    }
    await_go();

    uint64_t units = 0, begin = now(), end = begin + (uint64_t)seconds * SECOND, time = begin;
    double cpu = own_cpu();
    for (long i = 0; i < count; i++)
        if (send(streams[i].fd, frames, frame * (size_t)in_flight, 0) < 0) die("send");
    for (; time < end; time = now()) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct ws_stream *stream = &streams[events[i].data.u32];
            int n = ws_receive(stream);
            if (n < 0) die("a connection was closed");
            units += (uint64_t)n;
            if (n > 0 && send(stream->fd, frames, frame * (size_t)n, 0) < 0) die("send");
        }
    }
    print_result(units, time - begin, 0, own_cpu() - cpu);
}
