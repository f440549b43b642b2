/** Numbers of the Linux ABI that are the same on x86-64 and arm64 (asm-generic), which is where koffi is prebuilt. */

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;

/** Bytes of the longest Internet socket address (sockaddr_in6). */
export const SOCKADDR = 28;
/** That of IPv4 (sockaddr_in). */
export const SOCKADDR_IN = 16;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOCK_RAW = 3;
/** SOCK_NONBLOCK | SOCK_CLOEXEC, also as flags of accept4(2) and pipe2(2). */
export const NONBLOCK_CLOEXEC = 0x80800;
export const CLOEXEC = 0x80000;

export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_SCTP = 132;
export const SOL_SOCKET = 1;

export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_OOBINLINE = 10;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SO_ACCEPTCONN = 30;
export const SO_ATTACH_FILTER = 26;
export const SO_DETACH_FILTER = 27;
export const SO_ATTACH_REUSEPORT_CBPF = 51;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const IP_PKTINFO = 8;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

export const SHUT_WR = 1;
export const MSG_TRUNC = 0x20;
export const SCM_CREDENTIALS = 2;
export const MSG_DONTWAIT = 0x40;
export const MSG_EOR = 0x80;
export const MSG_NOTIFICATION = 0x8000;
export const MSG_NOSIGNAL = 0x4000;

export const EPOLLIN = 1;
export const EPOLLPRI = 2;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
/** Of the threads that wait for the same descriptor, not all are woken (epoll_ctl(2)). */
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLET = 0x80000000 | 0;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

/** SPLICE_F_MOVE | SPLICE_F_NONBLOCK. */
export const SPLICE_FLAGS = 3;
export const F_SETFD = 2;
export const F_SETFL = 4;
export const FD_CLOEXEC = 1;
export const O_NONBLOCK = 0x800;
export const F_DUPFD_CLOEXEC = 1030;
export const F_SETPIPE_SZ = 1031;

export const EPERM = 1;
export const EAGAIN = 11;
export const EACCES = 13;
export const ENODEV = 19;
export const ENFILE = 23;
export const EMFILE = 24;
export const EINVAL = 22;
export const ENOSYS = 38;
export const EMSGSIZE = 90;
export const EPROTONOSUPPORT = 93;
export const EAFNOSUPPORT = 97;
export const ENETDOWN = 100;
export const ENOBUFS = 105;
export const ENOMEM = 12;
export const ECONNREFUSED = 111;
export const EALREADY = 114;
export const EINPROGRESS = 115;
