/* RATE datagrams a second on one flow, by the clock and not by the answers, and how long their echoes take. */
#include "common.h"
#include <poll.h>

enum { SIZE = 200, GRACE_MS = 500 };

struct probe {
    uint64_t number, sent;
};

static double *micros; /* of each datagram; below 0: not answered */

static void receive(int fd, uint64_t count) {
    char data[2048];
    while (recv(fd, data, sizeof data, MSG_DONTWAIT) == SIZE) {
        struct probe probe;
        memcpy(&probe, data, sizeof probe);
        if (probe.number < count && micros[probe.number] < 0) micros[probe.number] = (double)(now() - probe.sent) / 1e3;
    }
}

static void send_probe(int fd, uint64_t number) {
    char data[SIZE] = {0};
    struct probe probe = {number, now()};
    memcpy(data, &probe, sizeof probe);
    (void)!send(fd, data, SIZE, 0);
}

static void receive_until(int fd, uint64_t count, uint64_t end) {
    for (uint64_t time; (time = now()) < end;) {
        struct timespec rest = {.tv_sec = 0, .tv_nsec = (long)(end - time) % (long)SECOND};
        if (ppoll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, &rest, NULL) > 0) receive(fd, count);
    }
}

static int ascending(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS RATE";
    long port = number(argc, argv, 1, usage), seconds = number(argc, argv, 2, usage), rate = number(argc, argv, 3, usage);
    bounded((unsigned)seconds + 60);
    prctl(PR_SET_TIMERSLACK, 1);
    uint64_t count = (uint64_t)(seconds * rate), warm_up = (uint64_t)rate / 10;
    int fd = udp_dial(port);
    micros = malloc((count > warm_up ? count : warm_up) * sizeof *micros);
    for (int phase = 0; phase < 2; phase++) { /* first the session's making, and a few echoes that do not count */
        uint64_t probes = phase ? count : warm_up;
        for (uint64_t i = 0; i < probes; i++) micros[i] = -1;
        if (phase) await_go();
        uint64_t begin = now();
        for (uint64_t i = 0; i < probes; i++) {
            receive_until(fd, i, begin + i * (SECOND / (uint64_t)rate));
            send_probe(fd, i);
        }
        receive_until(fd, probes, now() + GRACE_MS * MS);
    }
    qsort(micros, count, sizeof *micros, ascending);
    uint64_t lost = 0;
    while (lost < count && micros[lost] < 0) lost++;
    uint64_t got = count - lost;
    errno = 0;
    if (!got) die("no echo at all");
    printf("{\"units\":%llu,\"lost\":%llu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n", (unsigned long long)got,
           (unsigned long long)lost, micros[lost + got / 2], micros[lost + got * 99 / 100], micros[count - 1]);
}
