/*
 * A closed loop of UDP echoes: FLOWS clients with IN_FLIGHT datagrams each. The clients are addresses of one socket,
 * 127.1.x.y or, where the target is not on loopback, 198.18.x.y, so that a thousand of them cost one batched call and not
 * two thousand. What does not come back in time is counted as lost and sent anew: a loss costs its time and never stops
 * the loop.
 */
#include "udp_batch.h"

enum { TIMEOUT_MS = 200, SWEEP_MS = 20, SETUP_WINDOW = 16, SETUP_SECONDS = 30 };

struct header {
    uint32_t flow, slot;
    uint64_t sequence;
};

struct slot {
    uint64_t sequence, sent;
};

static long flows, in_flight, size;
static int fd;
static struct sockaddr_in target;
static struct slot *slots;
static struct batch batch;
static uint64_t units, lost;

static uint32_t address_of(long flow) {
    uint32_t network = is_loopback(target.sin_addr) ? 127u << 24 | 1u << 16 : BENCH_NETWORK;
    return htonl(network + (uint32_t)(flow / 250 * 256 + flow % 250 + 1));
}

/* Makes datagram `at` of the batch the next one of a slot. */
static void write_next(int at, long flow, long slot, uint64_t time) {
    struct slot *s = &slots[flow * in_flight + slot];
    struct header header = {(uint32_t)flow, (uint32_t)slot, ++s->sequence};
    struct datagram *d = &batch.datagrams[at];
    s->sent = time;
    d->length = (size_t)size;
    d->peer = target;
    d->source = address_of(flow);
    memcpy(d->data, &header, sizeof header);
}

/* The slot that a received datagram answers; late, repeated and foreign ones answer none. */
static struct slot *answered(const struct datagram *d, struct header *header) {
    memcpy(header, d->data, sizeof *header);
    if (d->length != (size_t)size || header->flow >= flows || header->slot >= in_flight) return NULL;
    struct slot *slot = &slots[header->flow * in_flight + header->slot];
    return slot->sequence == header->sequence ? slot : NULL;
}

static void turn(void) {
    int count = receive_batch(fd, &batch), next = 0;
    uint64_t time = now();
    for (int i = 0; i < count; i++) {
        struct header header;
        if (!answered(&batch.datagrams[i], &header)) continue;
        units++;
        write_next(next++, header.flow, header.slot, time); /* never ahead of i: nothing unread is overwritten */
    }
    send_batch(fd, &batch, next);
}

/* Sends anew what was sent before `limit`. */
static uint64_t send_older(uint64_t limit, uint64_t time) {
    uint64_t sent = 0;
    int next = 0;
    for (long i = 0; i < flows * in_flight; i++) {
        if (slots[i].sent >= limit) continue;
        write_next(next++, i / in_flight, i % in_flight, time);
        sent++;
        if (next < BATCH) continue;
        send_batch(fd, &batch, next);
        next = 0;
    }
    send_batch(fd, &batch, next);
    return sent;
}

/* One echo of each flow, a few flows at a time: every session of the proxy is there before the clock starts. */
static void set_up(void) {
    uint64_t deadline = now() + SETUP_SECONDS * SECOND;
    for (long first = 0; first < flows; first += SETUP_WINDOW) {
        long end = first + SETUP_WINDOW < flows ? first + SETUP_WINDOW : flows, missing = end - first;
        for (uint64_t next_try = 0, time = now(); missing > 0; time = now()) {
            errno = 0;
            if (time > deadline) die("%ld of %ld flows had no echo in %d s", flows - first, flows, SETUP_SECONDS);
            if (time >= next_try) {
                int next = 0;
                for (long flow = first; flow < end; flow++)
                    if (slots[flow * in_flight].sent != 1) write_next(next++, flow, 0, 0);
                send_batch(fd, &batch, next);
                next_try = time + TIMEOUT_MS * MS;
            }
            int count = receive_batch(fd, &batch);
            for (int i = 0; i < count; i++) {
                struct header header;
                struct slot *slot = answered(&batch.datagrams[i], &header);
                if (!slot || slot->sent == 1) continue;
                slot->sent = 1;
                missing--;
            }
        }
    }
}

int main(int argc, char **argv) {
    const char *usage = "[ADDRESS:]PORT SECONDS OWN_PORT FLOWS IN_FLIGHT SIZE [single]";
    target = endpoint(argc, argv, 1, usage);
    long seconds = number(argc, argv, 2, usage);
    /* The same clients in each round: the proxies' sessions are used again and do not pile up. */
    struct sockaddr_in own = loopback(number(argc, argv, 3, usage));
    flows = number(argc, argv, 4, usage);
    in_flight = number(argc, argv, 5, usage);
    size = number(argc, argv, 6, usage);
    errno = 0;
    if (!flows || flows > 10000 || !in_flight || size < (long)sizeof(struct header) || size > LARGEST)
        die("up to 10,000 flows of datagrams of %zu to %d bytes", sizeof(struct header), LARGEST);
    bounded((unsigned)seconds + 2 * SETUP_SECONDS);
    slots = calloc((size_t)(flows * in_flight), sizeof *slots);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    own.sin_addr.s_addr = htonl(INADDR_ANY); /* each datagram names its source */
    if (!slots || fd < 0 || bind(fd, (void *)&own, sizeof own) < 0) die("UDP port %s", argv[3]);
    for (long i = 0; i < flows * in_flight; i++) slots[i].sequence = now(); /* no echo of an earlier round counts */
    big_buffers(fd);
    batch.apart = flagged(argc, argv, "single");
    /* The loop wakes up for what is lost though nothing comes. */
    struct timeval sweep_time = {.tv_usec = SWEEP_MS * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &sweep_time, sizeof sweep_time);
    set_up();
    await_go();

    double cpu = own_cpu();
    uint64_t begin = now(), end = begin + (uint64_t)seconds * SECOND, sweep = begin + SWEEP_MS * MS, time = begin;
    send_older(UINT64_MAX, begin);
    for (; time < end; time = now()) {
        turn();
        if (time < sweep) continue;
        lost += send_older(time - TIMEOUT_MS * MS, time);
        sweep = time + SWEEP_MS * MS;
    }
    print_result(units, time - begin, lost, own_cpu() - cpu);
}
