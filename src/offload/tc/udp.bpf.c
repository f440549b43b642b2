/*
 * The datagrams of UDP sessions, forwarded at tc ingress: addresses and ports are rewritten as the session's sockets
 * would, and the packet goes on to the stack, or out to the neighbour. Everything is decided before anything is
 * written: what is not plain (fragments, IP options, extension headers, VLAN tags, the last hop, too large for the way
 * on, a strange interface) passes untouched to the sockets, which are the reference.
 *
 * Owns nothing: flows are put in and taken out by the proxy.
 */
#include "abi.h"

char _license[] SEC("license") = "Dual MIT/GPL";

/* IPv4 addresses take the first word. Addresses and ports are in network order. */
struct tuple {
	u32 saddr[4], daddr[4];
	u16 sport, dport;
};

/* Of IPv4, a quarter as long to hash. Of IPv6, it is the tuple. */
struct key4 {
	u32 saddr, daddr;
	u16 sport, dport;
};

struct flow {
	struct tuple tuple;
	/* Where the way back to the source goes: a packet from elsewhere is the stack's to judge (rp_filter, martians). */
	u32 iif;
	/* Where it leaves; 0: it stays on this interface and goes up. */
	u32 oif;
	/* Largest IP packet that the route takes, beside what the interface says; 0 if it does not say. */
	u32 mtu;
	/* Index in `counters`. */
	u32 slot;
	/* What the new addresses, and ports, add to a checksum: one's complement sums of 32 bits. */
	u32 addresses, ports;
	/* How payloads begin that are for the socket; without a first byte there are none. */
	u32 kept[KEPT / 4];
};

/* A cache line each: the two directions of a flow are counted by two CPUs. */
struct counter {
	u64 packets;
	/* Of payload. */
	u64 bytes;
	/* CLOCK_MONOTONIC_COARSE, in nanoseconds */
	u64 last;
	/* When that was, in jiffies: the verifier makes a load of reading them, where the clock costs 60 ns a call. */
	u64 tick;
	u64 unused[4];
};

/* Not LRU maps: a flow that lives is never thrown out. Sizes are set when they are loaded. */
struct {
	map_uint(type, BPF_MAP_TYPE_HASH);
	map_uint(max_entries, 2);
	map_uint(map_flags, BPF_F_NO_PREALLOC);
	map_type(key, struct key4);
	map_type(value, struct flow);
} flows4 SEC(".maps");

struct {
	map_uint(type, BPF_MAP_TYPE_HASH);
	map_uint(max_entries, 2);
	map_uint(map_flags, BPF_F_NO_PREALLOC);
	map_type(key, struct tuple);
	map_type(value, struct flow);
} flows6 SEC(".maps");

/* Apart from the flows, so that a flow can change its way without losing count, and mapped into the proxy's memory. */
struct {
	map_uint(type, BPF_MAP_TYPE_ARRAY);
	map_uint(max_entries, 2);
	map_uint(map_flags, BPF_F_MMAPABLE);
	map_type(key, u32);
	map_type(value, struct counter);
} counters SEC(".maps");

/* Whether the packet may take the way of the flow. `l3len`: of the IP packet, or of each that a GSO one will make. */
static inline_always int fits(struct __sk_buff *skb, const struct flow *flow, u32 l3len)
{
	u32 mtu_len = skb->gso_size ? 0 : l3len;

	if (skb->ifindex != flow->iif)
		return 0;
	if (!flow->oif)
		return 1;
	if (flow->mtu && l3len > flow->mtu)
		return 0;
	return bpf_check_mtu(skb, flow->oif, &mtu_len, 0, skb->gso_size ? BPF_MTU_CHK_SEGS : 0) == 0;
}

/* Whether the payload begins as those do that the socket is to see. Of a GSO packet, the first datagram is looked at. */
static inline_always int kept(struct __sk_buff *skb, const struct flow *flow, u32 payload)
{
	u32 begins[KEPT / 4];

	if (!flow->kept[0] || bpf_skb_load_bytes(skb, payload, begins, sizeof(begins)))
		return 0;
	return begins[0] == flow->kept[0] && begins[1] == flow->kept[1] && begins[2] == flow->kept[2];
}

static inline_always void count(const struct __sk_buff *skb, const struct flow *flow, u32 bytes)
{
	u32 slot = flow->slot;
	u64 now = bpf_jiffies64();
	struct counter *counter = bpf_map_lookup_elem(&counters, &slot);

	if (!counter)
		return;
	__sync_fetch_and_add(&counter->packets, skb->gso_size ? skb->gso_segs : 1);
	__sync_fetch_and_add(&counter->bytes, bytes);
	if (counter->tick == now)
		return;
	counter->tick = now;
	counter->last = bpf_ktime_get_coarse_ns();
}

/*
 * The UDP checksum. 0 over IPv4 stays 0. CHECKSUM_PARTIAL (the field holds the sum of the pseudo-header) and
 * CHECKSUM_COMPLETE are the helper's business: of the two calls, only the one with BPF_F_PSEUDO_HDR touches a partial
 * one.
 */
static inline_always void correct(struct __sk_buff *skb, u32 udp, const struct flow *flow)
{
	u32 check = udp + __builtin_offsetof(struct udphdr, check);

	bpf_l4_csum_replace(skb, check, 0, flow->addresses, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
	bpf_l4_csum_replace(skb, check, 0, flow->ports, BPF_F_MARK_MANGLED_0);
}

static inline_always int onward(u32 oif)
{
	return oif ? bpf_redirect_neigh(oif, 0, 0, 0) : NEXT;
}

/* Hop by hop, but not on the way to a socket of this host. */
static inline_always u8 hops(u8 ttl, u32 oif)
{
	return oif > LOOPBACK_IFINDEX ? ttl - 1 : ttl;
}

static inline_always u16 fold(u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static inline_always int ipv4(struct __sk_buff *skb)
{
	const u32 offset = ETH_HLEN;
	struct key4 key;
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} packet, *there = (void *)(u64)skb->data + offset;

	if ((void *)(there + 1) > (void *)(u64)skb->data_end)
		return NEXT;
	packet = *there;
	/* MF or an offset: a fragment. */
	if (packet.ip.version_ihl != 0x45 || packet.ip.protocol != IPPROTO_UDP || packet.ip.frag_off & be16(0x3fff))
		return NEXT;

	key.saddr = packet.ip.saddr;
	key.daddr = packet.ip.daddr;
	key.sport = packet.udp.source;
	key.dport = packet.udp.dest;
	struct flow *flow = bpf_map_lookup_elem(&flows4, &key);
	if (!flow)
		return NEXT;

	u32 udplen = be16(packet.udp.len), l3len = sizeof(packet.ip) + udplen;
	if (packet.ip.ttl <= 1 || udplen < sizeof(packet.udp) || be16(packet.ip.tot_len) != l3len || l3len > skb->len - offset)
		return NEXT;
	if (!fits(skb, flow, skb->gso_size ? skb->gso_size + sizeof(packet.ip) + sizeof(packet.udp) : l3len))
		return NEXT;
	if (kept(skb, flow, offset + sizeof(packet)))
		return NEXT;

	u32 oif = flow->oif;
	u8 ttl = hops(packet.ip.ttl, oif);
	/* RFC 1624: HC' = ~(~HC + ~m + m'), where m is a word with the TTL in its first byte. */
	packet.ip.check = ~fold((u64)(u16)~packet.ip.check + flow->addresses + (u16)~packet.ip.ttl + ttl);
	packet.ip.ttl = ttl;
	packet.ip.saddr = flow->tuple.saddr[0];
	packet.ip.daddr = flow->tuple.daddr[0];
	packet.udp.source = flow->tuple.sport;
	packet.udp.dest = flow->tuple.dport;
	/* All but length and checksum of UDP. */
	if (bpf_skb_store_bytes(skb, offset, &packet, sizeof(packet.ip) + 4, 0))
		return NEXT;
	correct(skb, offset + sizeof(packet.ip), flow);
	count(skb, flow, udplen - sizeof(packet.udp));
	return onward(oif);
}

static inline_always int ipv6(struct __sk_buff *skb)
{
	const u32 offset = ETH_HLEN;
	struct tuple key;
	struct {
		struct ipv6hdr ip;
		struct udphdr udp;
	} packet, *there = (void *)(u64)skb->data + offset;

	if ((void *)(there + 1) > (void *)(u64)skb->data_end)
		return NEXT;
	packet = *there;
	if (packet.ip.nexthdr != IPPROTO_UDP)
		return NEXT;

	__builtin_memcpy(key.saddr, packet.ip.saddr, sizeof(packet.ip.saddr) + sizeof(packet.ip.daddr));
	key.sport = packet.udp.source;
	key.dport = packet.udp.dest;
	struct flow *flow = bpf_map_lookup_elem(&flows6, &key);
	if (!flow)
		return NEXT;

	u32 udplen = be16(packet.udp.len), l3len = sizeof(packet.ip) + udplen;
	/* Over IPv6 a checksum is mandatory (RFC 8200, 8.1). */
	if (packet.ip.hop_limit <= 1 || udplen < sizeof(packet.udp) || be16(packet.ip.payload_len) != udplen || !packet.udp.check)
		return NEXT;
	if (l3len > skb->len - offset)
		return NEXT;
	if (!fits(skb, flow, skb->gso_size ? skb->gso_size + sizeof(packet.ip) + sizeof(packet.udp) : l3len))
		return NEXT;
	if (kept(skb, flow, offset + sizeof(packet)))
		return NEXT;

	u32 oif = flow->oif;
	packet.ip.hop_limit = hops(packet.ip.hop_limit, oif);
	__builtin_memcpy(packet.ip.saddr, flow->tuple.saddr, sizeof(packet.ip.saddr) + sizeof(packet.ip.daddr));
	packet.udp.source = flow->tuple.sport;
	packet.udp.dest = flow->tuple.dport;
	if (bpf_skb_store_bytes(skb, offset, &packet, sizeof(packet.ip) + 4, 0))
		return NEXT;
	/*
	 * CHECKSUM_COMPLETE covers the addresses too, and BPF_F_PSEUDO_HDR thinks of IPv4, whose header sums up to nothing:
	 * before BPF_F_IPV6 (6.16), and so everywhere, this takes back what it does there.
	 */
	bpf_csum_update(skb, flow->addresses);
	correct(skb, offset + sizeof(packet.ip), flow);
	count(skb, flow, udplen - sizeof(packet.udp));
	return onward(oif);
}

/* Drivers may leave the headers outside of what a program can read. */
static inline_always int readable(struct __sk_buff *skb, u32 len)
{
	if ((void *)(u64)skb->data + len <= (void *)(u64)skb->data_end)
		return 1;
	return skb->len >= len && bpf_skb_pull_data(skb, len) == 0;
}

SEC("tc")
int l7mp_udp(struct __sk_buff *skb)
{
	const u32 v4 = ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr);
	const u32 v6 = ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr);

	/* A tag means that this is the trunk below the interface that the packet is for. */
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return NEXT;
	if (skb->protocol == be16(ETH_P_IP) && readable(skb, v4))
		return ipv4(skb);
	if (skb->protocol == be16(ETH_P_IPV6) && readable(skb, v6))
		return ipv6(skb);
	return NEXT;
}
