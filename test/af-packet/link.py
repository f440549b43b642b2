"""A peer on the link of an interface: sends each frame of stdin, and writes each that comes, as hexadecimal lines."""
import os
import select
import socket
import struct
import sys

SOL_PACKET, AUXDATA, ADD_MEMBERSHIP, PROMISC, VLAN_VALID = 263, 8, 1, 1, 0x10
ETH_P_ALL = 3

link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
link.setsockopt(SOL_PACKET, AUXDATA, 1)
index = socket.if_nametoindex(sys.argv[1])
link.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, struct.pack('iHH8s', index, PROMISC, 0, b''))
link.bind((sys.argv[1], ETH_P_ALL))
print('ready', flush=True)


def whole(frame, control):
    for level, kind, data in control:
        if level != SOL_PACKET or kind != AUXDATA:
            continue
        status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', data)
        if status & VLAN_VALID:
            return frame[:12] + struct.pack('!HH', tpid or 0x8100, tci) + frame[12:]
    return frame


pending = b''
while True:
    ready, _, _ = select.select([link, 0], [], [])
    if link in ready:
        frame, control, _, address = link.recvmsg(1 << 16, 256)
        if address[2] != socket.PACKET_OUTGOING:
            print(whole(frame, control).hex(), flush=True)
    if 0 in ready:
        read = os.read(0, 1 << 16)
        if not read:
            break
        *lines, pending = (pending + read).split(b'\n')
        for line in lines:
            link.send(bytes.fromhex(line.decode()))
