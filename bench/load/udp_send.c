/*
 * RATE datagrams a second from FLOWS clients, by the clock, to what answers nothing: how many were taken, the harness
 * asks the proxy. Runs of one flow go as one segmented buffer (UDP_SEGMENT), so that the load needs a small part of a CPU.
 */
#include "udp_batch.h"

enum { RUN = 16, RUNS = BATCH / RUN };

static struct batch batch;
static struct sockaddr_in target;

static void write_batch(long *flow, long flows, long size) {
    for (int i = 0; i < BATCH; i++) {
        long source = (*flow + i / RUN) % flows;
        struct datagram *d = &batch.datagrams[i];
        d->length = (size_t)size;
        d->peer = target;
        d->source = htonl((127u << 24 | 1u << 16) + (uint32_t)(source / 250 * 256 + source % 250 + 1));
    }
    *flow = (*flow + RUNS) % flows;
}

int main(int argc, char **argv) {
    const char *usage = "PORT SECONDS OWN_PORT FLOWS SIZE RATE";
    target = loopback(number(argc, argv, 1, usage));
    long seconds = number(argc, argv, 2, usage);
    struct sockaddr_in own = loopback(number(argc, argv, 3, usage));
    long flows = number(argc, argv, 4, usage), size = number(argc, argv, 5, usage), rate = number(argc, argv, 6, usage);
    errno = 0;
    if (!flows || flows > 10000 || !size || size > LARGEST || !rate) die("datagrams have 1 to %d bytes", LARGEST);
    bounded((unsigned)seconds + 60);
    prctl(PR_SET_TIMERSLACK, 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    own.sin_addr.s_addr = htonl(INADDR_ANY); /* each datagram names its source */
    if (fd < 0 || bind(fd, (void *)&own, sizeof own) < 0) die("UDP port %s", argv[3]);
    big_buffers(fd);
    await_go();

    double cpu = own_cpu();
    uint64_t units = 0, begin = now(), end = begin + (uint64_t)seconds * SECOND, time = begin;
    for (long flow = 0; time < end; time = now()) {
        for (uint64_t due = (time - begin) / 1000 * (uint64_t)rate / 1000000; units < due; units += BATCH) {
            write_batch(&flow, flows, size);
            send_batch(fd, &batch, BATCH);
        }
        nanosleep(&(struct timespec){.tv_nsec = (long)MS}, NULL);
    }
    print_result(units, time - begin, 0, own_cpu() - cpu);
}
