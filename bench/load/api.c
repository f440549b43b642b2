/*
 * RATE changes a second by l7mp's REST API on one connection: a cluster is added, and deleted by the next call. In C,
 * since a client in JavaScript on the load's CPU would delay the datagrams that are being timed.
 */
#include "common.h"

static char answer[65536];

static void request(char *out, size_t room, uint64_t i) {
    unsigned long long n = i / 2;
    if (i % 2) {
        snprintf(out, room, "DELETE /api/v1/clusters/bench-%llu HTTP/1.1\r\nHost: localhost\r\n\r\n", n);
        return;
    }
    char body[256];
    snprintf(body, sizeof body,
             "{\"cluster\":{\"name\":\"bench-%llu\",\"spec\":{\"protocol\":\"UDP\",\"port\":29999},"
             "\"endpoints\":[{\"spec\":{\"address\":\"127.0.0.1\"}}]}}", n);
    snprintf(out, room, "POST /api/v1/clusters HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

/* Reads one answer with a length, or the chunks up to the last. */
static bool read_answer(int fd) {
    size_t length = 0;
    for (;;) {
        ssize_t n = recv(fd, answer + length, sizeof answer - 1 - length, 0);
        if (n <= 0) return false;
        answer[length += (size_t)n] = 0;
        char *body = strstr(answer, "\r\n\r\n");
        if (!body) continue;
        char *field = strcasestr(answer, "\r\ncontent-length:");
        if (field && field < body ? length >= (size_t)(body + 4 - answer) + strtoul(field + 17, NULL, 10)
                                  : strstr(body, "\r\n0\r\n\r\n") != NULL)
            return true;
    }
}

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS RATE";
    long port = number(argc, argv, 1, usage), seconds = number(argc, argv, 2, usage), rate = number(argc, argv, 3, usage);
    bounded((unsigned)seconds + 60);
    int fd = tcp_dial(port);
    await_go();
    uint64_t count = (uint64_t)(seconds * rate) & ~1ull, failed = 0, busy = 0, begin = now(), i = 0;
    /* An API that cannot keep up gets fewer calls, which the harness then says. */
    for (; i < count && (now() - begin < (uint64_t)seconds * SECOND || i % 2); i++) {
        uint64_t at = begin + i * (SECOND / (uint64_t)rate), time = now();
        if (time < at) {
            struct timespec until = {(time_t)(at / SECOND), (long)(at % SECOND)};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        }
        char text[1024];
        request(text, sizeof text, i);
        uint64_t asked = now();
        if (send(fd, text, strlen(text), 0) < 0 || !read_answer(fd)) die("the API connection was closed");
        busy += now() - asked;
        if (strncmp(answer, "HTTP/1.1 200", 12) != 0) failed++;
    }
    printf("{\"units\":%llu,\"lost\":%llu,\"micros\":%.1f}\n", (unsigned long long)i, (unsigned long long)failed,
           i ? (double)busy / 1e3 / (double)i : 0);
}
