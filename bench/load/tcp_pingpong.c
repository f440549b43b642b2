/* CONNECTIONS streams, each with one message on its way at a time. */
#include "common.h"

enum { EVENTS = 64, LARGEST = 65536 };

static char data[LARGEST];

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS CONNECTIONS SIZE";
    long port = number(argc, argv, 1, usage), seconds = number(argc, argv, 2, usage);
    long connections = number(argc, argv, 3, usage), size = number(argc, argv, 4, usage);
    errno = 0;
    if (!connections || !size || size > LARGEST) die("up to %d bytes a message", LARGEST);
    bounded((unsigned)seconds + 60);
    int epoll = epoll_create1(EPOLL_CLOEXEC), *sockets = calloc((size_t)connections, sizeof *sockets);
    long *received = calloc((size_t)connections, sizeof *received);
    for (long i = 0; i < connections; i++) {
        sockets[i] = tcp_dial(port);
        /* A first echo by blocking calls: the proxy's session stands before the clock starts. */
        for (ssize_t got = send(sockets[i], data, (size_t)size, 0) < 0 ? -1 : 0, n; got < size; got += n)
            if (got < 0 || (n = recv(sockets[i], data, LARGEST, 0)) <= 0) die("connection %ld has no echo", i);
        non_blocking(sockets[i]);
        watch(epoll, sockets[i], EPOLLIN, (uint32_t)i);
    }
    await_go();

    uint64_t units = 0, begin = now(), end = begin + (uint64_t)seconds * SECOND, time = begin;
    double cpu = own_cpu();
    for (long i = 0; i < connections; i++)
        if (send(sockets[i], data, (size_t)size, 0) != size) die("send");
    for (; time < end; time = now()) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            uint32_t id = events[i].data.u32;
            ssize_t n = recv(sockets[id], data, LARGEST, 0);
            if (n <= 0) die("connection %u was closed", id);
            received[id] += n;
            if (received[id] < size) continue;
            received[id] = 0;
            units++;
            if (send(sockets[id], data, (size_t)size, 0) != size) die("send");
        }
    }
    print_result(units, time - begin, 0, own_cpu() - cpu);
}
