/* CONNECTIONS clients that ask for / on one connection each, the next time when the answer is whole. An answer other than
 * 200 ends the program. */
#include "common.h"

enum { EVENTS = 64 };

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

struct client {
    int fd;
    size_t length;
    char data[4096];
};

/* Whether an answer is whole: of a length that it says, or chunked, or one that has no body. */
static bool whole(const char *data, size_t length) {
    const char *body = strstr(data, "\r\n\r\n");
    if (!body) return false;
    body += 4;
    const char *field = strcasestr(data, "\r\ncontent-length:");
    if (field && field < body) return length >= (size_t)(body - data) + strtoul(field + 17, NULL, 10);
    return length >= 7 && strcmp(data + length - 5, "0\r\n\r\n") == 0 && body <= data + length - 5;
}

static void ask(struct client *client) {
    client->length = 0;
    if (send(client->fd, REQUEST, sizeof REQUEST - 1, 0) != sizeof REQUEST - 1) die("send");
}

/* Whether the answer to the request has come. */
static bool answered(struct client *client) {
    ssize_t n = recv(client->fd, client->data + client->length, sizeof client->data - 1 - client->length, 0);
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) die("a connection was closed");
    client->data[client->length += (size_t)n] = 0;
    if (!whole(client->data, client->length)) return false;
    errno = 0;
    if (strncmp(client->data, "HTTP/1.1 200", 12) != 0) die("an answer is %.20s", client->data);
    return true;
}

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS CONNECTIONS";
    long port = number(argc, argv, 1, usage), seconds = number(argc, argv, 2, usage);
    long count = number(argc, argv, 3, usage);
    bounded((unsigned)seconds + 60);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    for (long i = 0; i < count; i++) {
        clients[i].fd = tcp_dial(port);
        ask(&clients[i]);
        while (!answered(&clients[i])) continue;
        non_blocking(clients[i].fd);
        watch(epoll, clients[i].fd, EPOLLIN, (uint32_t)i);
    }
    await_go();

    uint64_t units = 0, begin = now(), end = begin + (uint64_t)seconds * SECOND, time = begin;
    double cpu = own_cpu();
    for (long i = 0; i < count; i++) ask(&clients[i]);
    for (; time < end; time = now()) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < n; i++) {
            struct client *client = &clients[events[i].data.u32];
            if (!answered(client)) continue;
            units++;
            ask(client);
        }
    }
    print_result(units, time - begin, 0, own_cpu() - cpu);
}
