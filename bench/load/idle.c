/* Opens SESSIONS of TCP or UDP, each with one echo, a few at a time, and holds them until a line comes. */
#include "common.h"
#include <sys/time.h>

enum { SIZE = 64, WINDOW = 32, UDP_WAIT_MS = 100, TCP_WAIT_MS = 10000, SETUP_SECONDS = 50, HOLD_SECONDS = 120 };

static char data[SIZE];
static bool tcp;
static uint64_t deadline;

/* One echo on each socket of a window. UDP sends again what did not come back. */
static void echo_window(const int *sockets, long count, long first) {
    bool done[WINDOW] = {false};
    long missing = count;
    for (bool again = false; missing > 0; again = true) {
        errno = 0;
        if (now() > deadline || (tcp && again)) die("%ld of the sessions from %ld on have no echo", missing, first);
        for (long i = 0; i < count; i++)
            if (!done[i]) (void)!send(sockets[i], data, SIZE, 0);
        for (long i = 0; i < count; i++) {
            if (done[i] || recv(sockets[i], data, SIZE, 0) != SIZE) continue;
            done[i] = true;
            missing--;
        }
    }
}

int main(int argc, char **argv) {
    const char *usage = "PORT tcp|udp SESSIONS";
    long port = number(argc, argv, 1, usage), sessions = number(argc, argv, 3, usage);
    tcp = strcmp(argv[2], "tcp") == 0;
    bounded(HOLD_SECONDS + 120);
    int *sockets = calloc((size_t)sessions, sizeof *sockets);
    deadline = now() + SETUP_SECONDS * SECOND;
    long wait_ms = tcp ? TCP_WAIT_MS : UDP_WAIT_MS;
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    for (long first = 0; first < sessions; first += WINDOW) {
        long count = sessions - first < WINDOW ? sessions - first : WINDOW;
        for (long i = first; i < first + count; i++) {
            sockets[i] = tcp ? tcp_dial(port) : udp_dial(port);
            setsockopt(sockets[i], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        }
        echo_window(sockets + first, count, first);
    }
    alarm(HOLD_SECONDS);
    await_go();
    printf("{\"sessions\":%ld}\n", sessions);
}
