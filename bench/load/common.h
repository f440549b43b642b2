/* What the load programs share: bounds on their life, addresses, time, and the dialogue with the harness. */
#ifndef L7MP_BENCH_COMMON_H
#define L7MP_BENCH_COMMON_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ull
#define SECOND 1000000000ull

static inline void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    if (errno) fprintf(stderr, ": %s", strerror(errno));
    fputc('\n', stderr);
    exit(1);
}

static inline uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static inline long number(int argc, char **argv, int i, const char *usage) {
    if (i < argc) {
        char *end;
        long value = strtol(argv[i], &end, 10);
        if (*argv[i] && !*end && value >= 0) return value;
    }
    errno = 0;
    die("usage: %s %s", argv[0], usage);
    return 0;
}

/* No load program outlives the harness or its time, whatever happens; a closed peer is an error code, not a signal. */
static inline void bounded(unsigned seconds) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(seconds);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Whether the last argument says so. */
static inline bool flagged(int argc, char **argv, const char *flag) { return strcmp(argv[argc - 1], flag) == 0; }

static inline struct sockaddr_in loopback(long port) {
    if (port < 1024 || port > 65535) die("%ld is no port for a bench", port);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* 198.18.0.0/15 belongs to benches (RFC 2544), and is routed nowhere but in the network namespaces of the harness. */
#define BENCH_NETWORK (198u << 24 | 18u << 16)

static inline bool is_loopback(struct in_addr address) { return ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET; }

/* [ADDRESS:]PORT, by default of 127.0.0.1. Load goes to loopback or to the network of benches, and nowhere else. */
static inline struct sockaddr_in endpoint(int argc, char **argv, int i, const char *usage) {
    char *colon = i < argc ? strchr(argv[i], ':') : NULL;
    if (!colon) return loopback(number(argc, argv, i, usage));
    *colon = '\0';
    struct sockaddr_in address = loopback(strtol(colon + 1, NULL, 10));
    bool valid = inet_pton(AF_INET, argv[i], &address.sin_addr) == 1;
    bool allowed = is_loopback(address.sin_addr) || (ntohl(address.sin_addr.s_addr) & ~0x1ffffu) == BENCH_NETWORK;
    errno = 0;
    if (!valid || !allowed) die("%s is no address for a bench", argv[i]);
    return address;
}

/* The FORCE variants go above rmem_max as root; without that right the plain ones do what they can. */
static inline void big_buffers(int fd) {
    int bytes = 8 << 20;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* No waiting for more to send, and no pacing: some hosts have BBR for their default, which paces even loopback. */
static inline void no_delay(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

static inline int tcp_listen(long port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    no_delay(fd); /* accepted sockets inherit it */
    if (fd < 0 || bind(fd, (void *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) die("TCP port %ld", port);
    return fd;
}

static inline int tcp_dial(long port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(port);
    if (fd < 0 || connect(fd, (void *)&address, sizeof address) < 0) die("connection to port %ld", port);
    no_delay(fd);
    return fd;
}

static inline int udp_dial(long port) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(port);
    if (fd < 0 || connect(fd, (void *)&address, sizeof address) < 0) die("UDP socket to port %ld", port);
    return fd;
}

static inline void non_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

static inline void watch(int epoll, int fd, uint32_t events, uint32_t id) {
    struct epoll_event event = {.events = events, .data.u32 = id};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

/* The dialogue: "ready" when all is set up, then the harness reads the proxy's CPU time and writes a line. So what is
 * counted here and the CPU time between the two readings cover the same work. */
static inline void say_ready(void) {
    puts("ready");
    fflush(stdout);
}

static inline void await_go(void) {
    char line[16];
    say_ready();
    if (!fgets(line, sizeof line, stdin)) exit(0);
}

/* A server's part of it: the epoll set, with the socket that listens under its own number. */
static inline int serve_on(int listening) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listening, EPOLLIN, (uint32_t)listening);
    say_ready();
    return epoll;
}

/* Microseconds of CPU that this program has used. */
static inline double own_cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* The result that every closed loop prints: units of work, the time, what failed, and its own CPU time. */
static inline void print_result(uint64_t units, uint64_t elapsed, uint64_t lost, double cpu) {
    printf("{\"units\":%llu,\"seconds\":%.6f,\"lost\":%llu,\"loadCpu\":%.0f}\n", (unsigned long long)units,
         (double)elapsed / 1e9, (unsigned long long)lost, cpu);
    fflush(stdout);
}

#endif
