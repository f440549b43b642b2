/* Connections a second: connect, one request, one answer, and the server's end of the stream (tcp_echo … once), from
 * CLIENTS clients at a time. A connection that fails counts as lost. */
#include "common.h"

enum { EVENTS = 64, REQUEST = 64 };

struct client {
    int fd;
    bool asked, answered;
    uint64_t begun;
};

static struct sockaddr_in target;
static struct client *clients;
static int epoll;
static uint64_t units, lost;
static char data[4096];

static void begin(uint32_t id) {
    struct client *client = &clients[id];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    no_delay(fd);
    *client = (struct client){.fd = fd, .begun = now()};
    if (connect(fd, (void *)&target, sizeof target) < 0 && errno != EINPROGRESS) die("connect");
    /* On loopback the handshake is mostly done here already, and the request can go at once. */
    client->asked = send(fd, data, REQUEST, 0) == REQUEST;
    watch(epoll, fd, client->asked ? EPOLLIN : EPOLLIN | EPOLLOUT, id);
}

static void finish(uint32_t id) {
    struct client *client = &clients[id];
    if (client->answered) units++;
    else lost++;
    close(client->fd);
    begin(id);
}

static void turn(uint32_t id, uint32_t events) {
    struct client *client = &clients[id];
    if (!client->asked && events & EPOLLOUT) {
        client->asked = send(client->fd, data, REQUEST, 0) == REQUEST;
        struct epoll_event readable = {.events = EPOLLIN, .data.u32 = id};
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &readable);
    }
    if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP))) return;
    ssize_t n;
    while ((n = recv(client->fd, data, sizeof data, 0)) > 0) client->answered = true;
    if (n == 0 || errno != EAGAIN) finish(id);
}

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS CLIENTS";
    target = loopback(number(argc, argv, 1, usage));
    long seconds = number(argc, argv, 2, usage), count = number(argc, argv, 3, usage);
    bounded((unsigned)seconds + 60);
    clients = calloc((size_t)count, sizeof *clients);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    await_go();

    uint64_t start = now(), end = start + (uint64_t)seconds * SECOND, time = start;
    double cpu = own_cpu();
    for (long i = 0; i < count; i++) begin((uint32_t)i);
    for (; time < end; time = now()) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < n; i++) turn(events[i].data.u32, events[i].events);
        for (uint32_t i = 0; n == 0 && i < count; i++)
            if (time - clients[i].begun > SECOND) finish(i);
    }
    print_result(units, time - start, lost, own_cpu() - cpu);
}
