/*
 * Sending many datagrams a call. Datagrams of one size to one peer that follow each other go as one segmented buffer
 * (UDP_SEGMENT): the receiver gets them one by one as ever, but the sender goes through the stack once. Without it load
 * and echo, which share a CPU, would spend as much on a round trip as the proxies that they are to measure.
 */
#ifndef L7MP_BENCH_UDP_BATCH_H
#define L7MP_BENCH_UDP_BATCH_H

#include "common.h"
#include <linux/udp.h>

/* One segmented buffer carries at most 64 datagrams in older kernels, and 65,507 bytes. */
enum { BATCH = 64, LARGEST = 1000 };

struct datagram {
    char data[LARGEST];
    size_t length;
    struct sockaddr_in peer; /* where it came from or goes to */
    uint32_t source;         /* the own address that it is sent from, in network order; 0: the kernel's choice */
};

struct batch {
    bool apart; /* each datagram by itself */
    struct datagram datagrams[BATCH];
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    char control[BATCH][CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in_pktinfo))]
        __attribute__((aligned(sizeof(struct cmsghdr))));
};

static inline int receive_batch(int fd, struct batch *batch) {
    for (int i = 0; i < BATCH; i++) {
        struct datagram *d = &batch->datagrams[i];
        batch->vectors[i] = (struct iovec){d->data, LARGEST};
        batch->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &d->peer, .msg_namelen = sizeof d->peer, .msg_iov = &batch->vectors[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(fd, batch->messages, BATCH, MSG_WAITFORONE, NULL);
    if (count < 0 && errno != EINTR && errno != EAGAIN && errno != ECONNREFUSED) die("recvmmsg");
    for (int i = 0; i < count; i++) batch->datagrams[i].length = batch->messages[i].msg_len;
    return count < 0 ? 0 : count;
}

static inline bool together(const struct datagram *a, const struct datagram *b) {
    return a->length == b->length && a->source == b->source && a->peer.sin_port == b->peer.sin_port &&
           a->peer.sin_addr.s_addr == b->peer.sin_addr.s_addr;
}

static inline void *control(struct msghdr *message, char *room, size_t at, int level, int type, size_t length) {
    message->msg_control = room;
    message->msg_controllen = at + CMSG_SPACE(length);
    struct cmsghdr *header = (struct cmsghdr *)(room + at);
    *header = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(length)};
    return CMSG_DATA(header);
}

/* Makes datagrams first..first+count-1 one message. */
static inline void fill(struct batch *batch, int at, int first, int count) {
    struct datagram *d = &batch->datagrams[first];
    struct msghdr *message = &batch->messages[at].msg_hdr;
    *message = (struct msghdr){.msg_name = &d->peer,
                               .msg_namelen = sizeof d->peer,
                               .msg_iov = &batch->vectors[first],
                               .msg_iovlen = (size_t)count};
    for (int i = 0; i < count; i++) batch->vectors[first + i] = (struct iovec){d[i].data, d[i].length};
    if (d->source) {
        struct in_pktinfo info = {.ipi_spec_dst.s_addr = d->source};
        memcpy(control(message, batch->control[at], 0, IPPROTO_IP, IP_PKTINFO, sizeof info), &info, sizeof info);
    }
    if (count > 1) {
        uint16_t segment = (uint16_t)d->length;
        size_t used = message->msg_controllen;
        memcpy(control(message, batch->control[at], used, IPPROTO_UDP, UDP_SEGMENT, sizeof segment), &segment, sizeof segment);
    }
}

static inline void send_batch(int fd, struct batch *batch, int count) {
    int messages = 0;
    for (int first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && !batch->apart && together(&batch->datagrams[first], &batch->datagrams[end]);) end++;
        fill(batch, messages++, first, end - first);
    }
    for (int sent = 0; sent < messages;) {
        int n = sendmmsg(fd, batch->messages + sent, (unsigned)(messages - sent), 0);
        if (n < 0 && (errno == EINVAL || errno == EIO || errno == EMSGSIZE)) die("sendmmsg");
        sent += n > 0 ? n : 1; /* one that cannot be sent is lost, as on any network */
    }
}

#endif
