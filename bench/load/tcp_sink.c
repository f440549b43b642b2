/* Takes in STREAMS streams of a tcp_source and counts bytes. MSG_TRUNC lets the kernel drop them uncopied: this program
 * shares its CPU with the source, and neither is what is measured. */
#include "common.h"

enum { EVENTS = 64, CHUNK = 1 << 20 };

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS STREAMS";
    long port = number(argc, argv, 1, usage), seconds = number(argc, argv, 2, usage);
    long streams = number(argc, argv, 3, usage);
    bounded((unsigned)seconds + 60);
    int epoll = epoll_create1(EPOLL_CLOEXEC), *sockets = calloc((size_t)streams, sizeof *sockets);
    for (long i = 0; i < streams; i++) {
        sockets[i] = tcp_dial(port);
        watch(epoll, sockets[i], EPOLLIN, (uint32_t)i);
    }
    await_go();

    uint64_t units = 0, begin = now(), end = begin + (uint64_t)seconds * SECOND, time = begin;
    double cpu = own_cpu();
    for (long i = 0; i < streams; i++)
        if (send(sockets[i], "", 1, 0) != 1) die("send");
    for (; time < end; time = now()) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            ssize_t n = recv(sockets[events[i].data.u32], NULL, CHUNK, MSG_TRUNC | MSG_DONTWAIT);
            if (n < 0 && errno == EAGAIN) continue;
            if (n <= 0) die("stream %u was closed", events[i].data.u32);
            units += (uint64_t)n;
        }
    }
    print_result(units, time - begin, 0, own_cpu() - cpu);
}
