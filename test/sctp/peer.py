"""
A peer by SCTP, which says and hears of each message what the kernel knows of it. Usage: peer.py connect|listen PORT ADDRESS...
It takes commands from stdin and writes what happens to stdout, each as a line of JSON. A listening one has one association.
"""
import json
import os
import select
import socket
import struct
import sys

SCTP = 132
INITMSG, RECVRCVINFO, BINDX_ADD, PEER_ADDRS, CONNECTX = 2, 32, 100, 108, 110
SO_SNDBUFFORCE = 32
SNDINFO, RCVINFO, UNORDERED, MSG_EOR = 2, 3, 1, 0x80


def tell(**what):
    print(json.dumps(what), flush=True)


def packed(addresses, port):
    return b''.join(struct.pack('=HHH4s8x', socket.AF_INET, socket.htons(port), 0, b'')[:4] + socket.inet_aton(one) + bytes(8)
                    for one in addresses)


def open_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
    sock.setsockopt(SCTP, INITMSG, struct.pack('HHHH', 20, 20, 0, 0))
    sock.setsockopt(SCTP, RECVRCVINFO, 1)
    return sock


def associate(role, port, addresses):
    sock = open_socket()
    if role == 'connect':
        if len(addresses) > 1:
            sock.setsockopt(SCTP, CONNECTX, packed(addresses, port))
        else:
            sock.connect((addresses[0], port))
        return sock
    sock.bind((addresses[0], port))
    if len(addresses) > 1:
        sock.setsockopt(SCTP, BINDX_ADD, packed(addresses[1:], port))
    sock.listen(5)
    tell(listening=True)
    return sock.accept()[0]


def peer_addresses(sock):
    found = sock.getsockopt(SCTP, PEER_ADDRS, 1024)
    count = struct.unpack_from('I', found, 4)[0]
    return sorted(socket.inet_ntoa(found[8 + 16 * n + 4:8 + 16 * n + 8]) for n in range(count))


def send(sock, text, stream=0, ppid=0, unordered=False, size=None):
    info = struct.pack('HH', stream, UNORDERED if unordered else 0) + struct.pack('!I', ppid) + bytes(8)
    if size is not None:
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 2 * size)
    data = text.encode() if size is None else (text.encode() * size)[:size]
    sock.sendmsg([data], [(SCTP, SNDINFO, info)])


def receive(sock, parts):
    try:
        data, control, flags, _ = sock.recvmsg(1 << 16, 256)
    except ConnectionError as error:
        tell(failed=type(error).__name__)
        return False
    if not data:
        tell(ended=True)
        return False
    parts.append(data)
    if not flags & MSG_EOR:
        return True
    for level, kind, info in control:
        if (level, kind) == (SCTP, RCVINFO):
            stream, _, kinds = struct.unpack_from('HHH', info)
            ppid = struct.unpack_from('!I', info, 8)[0]
    whole = b''.join(parts)
    parts.clear()
    tell(text=whole[:40].decode('latin1'), size=len(whole), sum=sum(whole), stream=stream, ppid=ppid,
         unordered=bool(kinds & UNORDERED))
    return True


def obey(sock, command):
    if 'send' in command:
        send(sock, command.pop('send'), **command)
    elif command.get('close') == 'abort':
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        sock.close()
        return False
    elif 'close' in command:
        sock.shutdown(socket.SHUT_WR)
    return True


def main(role, port, *addresses):
    sock = associate(role, int(port), addresses)
    tell(associated=peer_addresses(sock))
    pending, parts, reading = b'', [], True
    while True:
        ready, _, _ = select.select([0, sock] if reading else [0], [], [])
        if sock in ready:
            reading = receive(sock, parts)
        if 0 in ready:
            read = os.read(0, 1 << 16)
            if not read:
                return
            *lines, pending = (pending + read).split(b'\n')
            for line in lines:
                if not obey(sock, json.loads(line)):
                    return


main(*sys.argv[1:])
