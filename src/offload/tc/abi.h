/*
 * What the program needs of the kernel's interface to BPF (include/uapi/linux/bpf.h), and no more. Spelt out here, so
 * that the object depends on this file and on clang alone: the BTF of a larger header would change with its version.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define inline_always inline __attribute__((always_inline))
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* bpfel: the object is for little-endian machines. */
#define be16(x) __builtin_bswap16(x)

/* How a map is described in BTF for libbpf (bpf_helpers.h). */
#define map_uint(name, value) int(*name)[value]
#define map_type(name, value) __typeof__(value) *name

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_F_NO_PREALLOC 1
#define BPF_F_MMAPABLE 1024

#define BPF_F_PSEUDO_HDR (1 << 4)
#define BPF_F_MARK_MANGLED_0 (1 << 5)
#define BPF_MTU_CHK_SEGS 1

/* TCX_NEXT and TC_ACT_UNSPEC are both -1: the next program has its turn, and in the end the packet passes. */
#define NEXT (-1)

/* Bytes of a payload's beginning that are compared. */
#define KEPT 12

#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_UDP 17
#define PACKET_HOST 0
/* Index of `lo` in every network namespace. */
#define LOOPBACK_IFINDEX 1

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id, family;
	u32 remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
	u64 flow_keys, tstamp;
	u32 wire_len, gso_segs;
	u64 sk;
	u32 gso_size;
};

/* Aligned as the verifier takes it: NET_IP_ALIGN (2) and the Ethernet header make 16. */
struct iphdr {
	u8 version_ihl, tos;
	u16 tot_len, id, frag_off;
	u8 ttl, protocol;
	u16 check;
	u32 saddr, daddr;
} __attribute__((packed, aligned(4)));

struct ipv6hdr {
	u32 version_class_flow;
	u16 payload_len;
	u8 nexthdr, hop_limit;
	u32 saddr[4], daddr[4];
} __attribute__((packed, aligned(4)));

struct udphdr {
	u16 source, dest, len, check;
};

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_skb_store_bytes)(struct __sk_buff *skb, u32 offset, const void *from, u32 len, u64 flags) = (void *)9;
static long (*bpf_l4_csum_replace)(struct __sk_buff *skb, u32 offset, u64 from, u64 to, u64 flags) = (void *)11;
static long (*bpf_skb_load_bytes)(const struct __sk_buff *skb, u32 offset, void *to, u32 len) = (void *)26;
static long (*bpf_skb_pull_data)(struct __sk_buff *skb, u32 len) = (void *)39;
static s64 (*bpf_csum_update)(struct __sk_buff *skb, u32 csum) = (void *)40;
static u64 (*bpf_jiffies64)(void) = (void *)118;
static long (*bpf_redirect_neigh)(u32 ifindex, void *params, int plen, u64 flags) = (void *)152;
static u64 (*bpf_ktime_get_coarse_ns)(void) = (void *)160;
static long (*bpf_check_mtu)(void *ctx, u32 ifindex, u32 *mtu_len, int len_diff, u64 flags) = (void *)163;
