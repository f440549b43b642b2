/* Answers each datagram with itself. Blocking and batched: one thread answers what several fast proxies could send. */
#include "udp_batch.h"

static struct batch batch;

int main(int argc, char **argv) {
    const char *usage = "[ADDRESS:]PORT SECONDS [single]";
    struct sockaddr_in address = endpoint(argc, argv, 1, usage);
    bounded((unsigned)number(argc, argv, 2, usage));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (void *)&address, sizeof address) < 0) die("UDP port %s", argv[1]);
    big_buffers(fd);
    batch.apart = flagged(argc, argv, "single");
    say_ready();
    for (;;) send_batch(fd, &batch, receive_batch(fd, &batch));
}
