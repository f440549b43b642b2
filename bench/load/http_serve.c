/* Answers each request that has no body with 200 and a short one. */
#include "common.h"

enum { EVENTS = 64, ROOM = 65536 };

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nbench\n";

/* Reads what has come, of which each end of a head is a request: heads come in one piece here. */
static void serve(int fd) {
    static char data[ROOM + 1];
    ssize_t n = recv(fd, data, ROOM, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        close(fd);
        return;
    }
    data[n] = 0;
    for (char *at = data; (at = strstr(at, "\r\n\r\n")); at += 4) {
        if (send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) != sizeof ANSWER - 1) close(fd);
    }
}

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
            if (fd != listening) {
                serve(fd);
                continue;
            }
            for (int taken; (taken = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                watch(epoll, taken, EPOLLIN, (uint32_t)taken);
            }
            if (errno != EAGAIN && errno != ECONNABORTED) die("accept");
        }
    }
}
