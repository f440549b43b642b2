/*
 * A closed loop of UDP echoes: FLOWS sockets with IN_FLIGHT datagrams each. What does not come back in time is counted
 * as lost and sent anew, so that a loss costs its time and never stops the loop.
 */
#include "common.h"

enum { MAX_IN_FLIGHT = 256, LARGEST = 2048, TIMEOUT_MS = 200, SETUP_WINDOW = 16 };

struct header {
  uint32_t flow, slot;
  uint64_t sequence;
};

struct slot {
  uint64_t sequence, sent;
};

static long flows, in_flight, size;
static int *sockets;
static struct slot *slots;
static char data[MAX_IN_FLIGHT][LARGEST];
static struct iovec vectors[MAX_IN_FLIGHT];
static struct mmsghdr messages[MAX_IN_FLIGHT];
static uint64_t units, lost;

/* Makes data[at] the next datagram of a slot. */
static void write_next(long at, long flow, long slot, uint64_t time) {
  struct slot *s = &slots[flow * in_flight + slot];
  struct header header = {(uint32_t)flow, (uint32_t)slot, ++s->sequence};
  s->sent = time;
  memcpy(data[at], &header, sizeof header);
}

static void send_batch(int fd, long count) {
  /* A single message is cheaper by the single call. */
  if (count == 1) {
    (void)!send(fd, data[0], (size_t)size, 0);
    return;
  }
  for (long i = 0; i < count; i++) vectors[i].iov_len = (size_t)size;
  for (long sent = 0; sent < count;) {
    int n = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0);
    sent += n > 0 ? n : 1;
  }
}

static int receive_batch(int fd) {
  if (in_flight == 1) {
    ssize_t n = recv(fd, data[0], LARGEST, 0);
    messages[0].msg_len = n > 0 ? (unsigned)n : 0;
    return n > 0;
  }
  for (long i = 0; i < in_flight; i++) vectors[i].iov_len = LARGEST;
  return recvmmsg(fd, messages, (unsigned)in_flight, 0, NULL);
}

/* Answers what a flow has received with the next datagrams; late and foreign ones are no work done. */
static void turn(long flow, uint64_t time) {
  int count = receive_batch(sockets[flow]);
  long answers = 0;
  for (int i = 0; i < count; i++) {
    struct header header;
    memcpy(&header, data[i], sizeof header);
    if (messages[i].msg_len != (unsigned)size || header.flow != flow || header.slot >= in_flight) continue;
    if (header.sequence != slots[flow * in_flight + header.slot].sequence) continue;
    units++;
    write_next(answers++, flow, header.slot, time); /* never ahead of i: nothing unread is overwritten */
  }
  if (answers) send_batch(sockets[flow], answers);
}

static void resend_lost(uint64_t time) {
  for (long flow = 0; flow < flows; flow++) {
    long count = 0;
    for (long slot = 0; slot < in_flight; slot++) {
      if (time - slots[flow * in_flight + slot].sent < TIMEOUT_MS * MS) continue;
      write_next(count++, flow, slot, time);
    }
    if (count) send_batch(sockets[flow], count);
    lost += (uint64_t)count;
  }
}

/* One echo of each flow, a few flows at a time: every session of the proxy is there before the clock starts. */
static void set_up(int epoll) {
  uint64_t deadline = now() + 30 * SECOND;
  for (long first = 0; first < flows; first += SETUP_WINDOW) {
    long end = first + SETUP_WINDOW < flows ? first + SETUP_WINDOW : flows, open = end - first;
    uint64_t next_try = 0;
    while (open > 0) {
      uint64_t time = now();
      if (time > deadline) die("%ld of %ld flows had no echo in 30 s", flows - first, flows);
      if (time >= next_try) {
        for (long flow = first; flow < end; flow++)
          if (!slots[flow * in_flight].sent) {
            struct header header = {(uint32_t)flow, 0, 0};
            memcpy(data[0], &header, sizeof header);
            send_batch(sockets[flow], 1);
          }
        next_try = time + TIMEOUT_MS * MS;
      }
      struct epoll_event events[SETUP_WINDOW];
      int count = epoll_wait(epoll, events, SETUP_WINDOW, 20);
      for (int i = 0; i < count; i++) {
        long flow = events[i].data.u32;
        if (recv(sockets[flow], data[0], LARGEST, 0) != size || slots[flow * in_flight].sent) continue;
        slots[flow * in_flight].sent = 1;
        open--;
      }
    }
  }
}

int main(int argc, char **argv) {
  const char *usage = "PORT SECONDS FLOWS IN_FLIGHT SIZE";
  long port = number(argc, argv, 1, usage), seconds = number(argc, argv, 2, usage);
  flows = number(argc, argv, 3, usage);
  in_flight = number(argc, argv, 4, usage);
  size = number(argc, argv, 5, usage);
  errno = 0;
  if (!flows || !in_flight || in_flight > MAX_IN_FLIGHT || size < (long)sizeof(struct header) || size > LARGEST)
    die("between 1 and %d datagrams of up to %d bytes in flight", MAX_IN_FLIGHT, LARGEST);
  bounded((unsigned)seconds + 90);
  sockets = calloc((size_t)flows, sizeof *sockets);
  slots = calloc((size_t)(flows * in_flight), sizeof *slots);
  for (long i = 0; i < MAX_IN_FLIGHT; i++) {
    vectors[i].iov_base = data[i];
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (long flow = 0; flow < flows; flow++) {
    sockets[flow] = udp_dial(port);
    if (in_flight > 1) big_buffers(sockets[flow]);
    watch(epoll, sockets[flow], EPOLLIN, (uint32_t)flow);
  }
  set_up(epoll);
  await_go();

  double cpu = own_cpu();
  uint64_t begin = now(), end = begin + (uint64_t)seconds * SECOND, sweep = begin + TIMEOUT_MS * MS, time = begin;
  for (long flow = 0; flow < flows; flow++) {
    for (long slot = 0; slot < in_flight; slot++) write_next(slot, flow, slot, time);
    send_batch(sockets[flow], in_flight);
  }
  while (time < end) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, 64, 20);
    time = now();
    for (int i = 0; i < count; i++) turn(events[i].data.u32, time);
    if (time < sweep) continue;
    resend_lost(time);
    sweep = time + TIMEOUT_MS / 10 * MS;
  }
  print_result(units, time - begin, lost, own_cpu() - cpu);
}
