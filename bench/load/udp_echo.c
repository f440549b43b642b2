/* Answers each datagram with itself. Blocking and batched: one thread answers what several fast proxies could send. */
#include "common.h"

enum { BATCH = 64, LARGEST = 2048 };

static char data[BATCH][LARGEST];
static struct sockaddr_in peers[BATCH];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

int main(int argc, char **argv) {
  const char *usage = "PORT SECONDS";
  struct sockaddr_in address = loopback(number(argc, argv, 1, usage));
  bounded((unsigned)number(argc, argv, 2, usage));
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (void *)&address, sizeof address) < 0) die("UDP port %s", argv[1]);
  big_buffers(fd);
  puts("ready");
  fflush(stdout);
  for (;;) {
    for (int i = 0; i < BATCH; i++) {
      vectors[i] = (struct iovec){data[i], LARGEST};
      messages[i].msg_hdr =
          (struct msghdr){.msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (count < 0 && errno != EINTR) die("recvmmsg");
    for (int i = 0; i < count; i++) vectors[i].iov_len = messages[i].msg_len;
    for (int sent = 0; sent < count;) {
      int n = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0);
      sent += n > 0 ? n : 1; /* the one that cannot be sent is lost, as on any network */
    }
  }
}
