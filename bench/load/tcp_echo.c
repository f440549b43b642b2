/* Echoes streams. With a third argument, `once`, it closes a connection after its first answer: so the ports that wait
 * in TIME_WAIT are listening ones, and neither the client nor a proxy runs out of ephemeral ports. */
#include "common.h"
#include <poll.h>

enum { EVENTS = 64, ROOM = 65536 };

static char data[ROOM];
static bool once;

/* Waits where the peer does not read: a ping-pong peer always does. The only answer goes out with the end of the stream,
 * in one packet. */
static bool send_all(int fd, size_t length) {
    for (size_t sent = 0; sent < length;) {
        ssize_t n = send(fd, data + sent, length - sent, once ? MSG_MORE : 0);
        if (n > 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
        } else {
            return false;
        }
    }
    return true;
}

/* Whether the connection is done with. */
static bool serve(int fd) {
    ssize_t n = recv(fd, data, ROOM, 0);
    if (n < 0 && errno == EAGAIN) return false;
    if (n > 0 && send_all(fd, (size_t)n) && !once) return false;
    close(fd);
    return true;
}

static void accept_all(int epoll, int listening) {
    for (int fd; (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        if (once && serve(fd)) continue;
        watch(epoll, fd, EPOLLIN, (uint32_t)fd);
    }
    if (errno != EAGAIN && errno != ECONNABORTED) die("accept");
}

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS [once]";
    int listening = tcp_listen(number(argc, argv, 1, usage));
    bounded((unsigned)number(argc, argv, 2, usage));
    once = argc > 3;
    /* A connection is there to accept when its request is: one wake-up, no epoll entry. */
    int defer = once;
    setsockopt(listening, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof defer);
    int epoll = serve_on(listening);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = (int)events[i].data.u32;
            if (fd == listening) accept_all(epoll, listening);
            else serve(fd);
        }
    }
}
