/* Sends as much as each connection takes, from its first byte on until it is closed. */
#include "common.h"

enum { EVENTS = 64, CHUNK = 128 << 10 };

static char data[CHUNK];

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS";
    int listening = tcp_listen(number(argc, argv, 1, usage));
    bounded((unsigned)number(argc, argv, 2, usage));
    int epoll = serve_on(listening);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = (int)events[i].data.u32;
            if (fd == listening) {
                fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0) watch(epoll, fd, EPOLLIN, (uint32_t)fd);
            } else if (events[i].events & EPOLLIN) { /* the start, or the end of the connection */
                struct epoll_event writable = {.events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)fd};
                if (recv(fd, data, 1, 0) <= 0) close(fd);
                else epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &writable);
            } else if (send(fd, data, CHUNK, 0) < 0 && errno != EAGAIN) {
                close(fd);
            }
        }
    }
}
