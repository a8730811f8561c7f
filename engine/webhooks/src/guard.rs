//! The address guard: which addresses a webhook may be sent to.
//!
//! Customers choose the hosts, so a name may lead to the inside of the operator's network. The guard judges
//! addresses, never names: whoever connects asks it about the very addresses that are about to be used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What of IPv4 is no public unicast (IANA IPv4 Special-Purpose Address Registry; RFC 1112, 5771 for the rest).
const CLOSED_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),       // this network, RFC 791
    v4(10, 0, 0, 0, 8),      // private, RFC 1918
    v4(100, 64, 0, 0, 10),   // carrier-grade NAT, RFC 6598
    v4(127, 0, 0, 0, 8),     // loopback, RFC 1122
    v4(169, 254, 0, 0, 16),  // link-local, RFC 3927; clouds' metadata services
    v4(172, 16, 0, 0, 12),   // private, RFC 1918
    v4(192, 0, 0, 0, 24),    // protocol assignments, RFC 6890
    v4(192, 0, 2, 0, 24),    // documentation, RFC 5737
    v4(192, 88, 99, 0, 24),  // 6to4 relays, RFC 7526
    v4(192, 168, 0, 0, 16),  // private, RFC 1918
    v4(198, 18, 0, 0, 15),   // benchmarks, RFC 2544
    v4(198, 51, 100, 0, 24), // documentation, RFC 5737
    v4(203, 0, 113, 0, 24),  // documentation, RFC 5737
    v4(224, 0, 0, 0, 4),     // multicast, RFC 5771
    v4(240, 0, 0, 0, 4),     // reserved, RFC 1112, and broadcast
];

/// All of IPv6 that is global unicast (IANA IPv6 Address Space). What lies outside is closed: `::`, loopback,
/// IPv4-compatible and translated addresses, NAT64, discard-only, segment routing, ULA, link-local, site-local
/// and multicast.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What of global unicast is special all the same (IANA IPv6 Special-Purpose Address Registry).
const CLOSED_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 0, 23), // protocol assignments, RFC 2928, with Teredo, RFC 4380
    v6(0x2001, 0xdb8, 0, 32), // documentation, RFC 3849
    v6(0x2002, 0, 0, 16), // 6to4, RFC 3056: an IPv4 address in disguise
    v6(0x3fff, 0, 0, 20), // documentation, RFC 9637
];

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, c: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// Judges addresses: public unicast is permitted, and what the operator allows.
#[derive(Debug, Clone, Default)]
pub struct AddressGuard {
    allowed: Vec<IpNet>,
    own: Vec<SocketAddr>,
}

impl AddressGuard {
    /// Makes a guard that permits public addresses and `allowed`, the nets that the operator's settings name
    /// (IPv4 nets in IPv4's spelling).
    pub fn new(allowed: Vec<IpNet>) -> AddressGuard {
        AddressGuard {
            allowed,
            own: Vec::new(),
        }
    }

    /// Refuses one of the daemon's own listen addresses, wherever it lies.
    ///
    /// An unspecified address (`0.0.0.0`, `::`) stands for its port on every address of this machine.
    pub fn refuse(&mut self, own: SocketAddr) {
        self.own.push(own);
    }

    /// Whether an address lies in a net that the operator's settings name.
    pub fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.allowed.iter().any(|net| net.contains(&ip))
    }

    /// Whether an address may be connected to at all; an IPv4-mapped one is judged as the IPv4 address it is.
    pub fn permits(&self, ip: IpAddr) -> bool {
        self.allows(ip) || is_public(ip.to_canonical())
    }

    /// Whether an address may be connected to at this port: [`permits`](Self::permits), and it is none of the
    /// daemon's own.
    pub fn permits_socket(&self, to: SocketAddr) -> bool {
        self.permits(to.ip()) && !self.own.iter().any(|&own| leads_to(to, own))
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !CLOSED_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => GLOBAL_V6.contains(&ip) && !CLOSED_V6.iter().any(|net| net.contains(&ip)),
    }
}

/// Whether a connection to `to` would be accepted by who listens on `own`.
fn leads_to(to: SocketAddr, own: SocketAddr) -> bool {
    let (ip, own_ip) = (to.ip().to_canonical(), own.ip().to_canonical());
    to.port() == own.port()
        && (ip == own_ip
            || ip.is_unspecified()
            || own_ip.is_unspecified() && is_of_this_machine(ip))
}

/// Whether an address is one of this machine's: a datagram socket that is connected there, which sends nothing,
/// then has that address itself.
fn is_of_this_machine(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let local = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    ip.is_loopback() || local.is_ok_and(|local| local.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(guard: &AddressGuard, ip: &str) -> bool {
        guard.permits(ip.parse().unwrap())
    }

    #[test]
    fn the_edges_of_every_closed_range_are_closed_and_their_neighbours_are_open() {
        let guard = AddressGuard::default();
        let rows = [
            // first, last, the neighbours that are public
            ("0.0.0.0", "0.255.255.255", &["1.0.0.0"][..]),
            ("10.0.0.0", "10.255.255.255", &["9.255.255.255", "11.0.0.0"]),
            (
                "100.64.0.0",
                "100.127.255.255",
                &["100.63.255.255", "100.128.0.0"],
            ),
            (
                "127.0.0.0",
                "127.255.255.255",
                &["126.255.255.255", "128.0.0.0"],
            ),
            (
                "169.254.0.0",
                "169.254.255.255",
                &["169.253.255.255", "169.255.0.0"],
            ),
            (
                "172.16.0.0",
                "172.31.255.255",
                &["172.15.255.255", "172.32.0.0"],
            ),
            (
                "192.0.0.0",
                "192.0.0.255",
                &["191.255.255.255", "192.0.1.0"],
            ),
            ("192.0.2.0", "192.0.2.255", &["192.0.1.255", "192.0.3.0"]),
            (
                "192.88.99.0",
                "192.88.99.255",
                &["192.88.98.255", "192.88.100.0"],
            ),
            (
                "192.168.0.0",
                "192.168.255.255",
                &["192.167.255.255", "192.169.0.0"],
            ),
            (
                "198.18.0.0",
                "198.19.255.255",
                &["198.17.255.255", "198.20.0.0"],
            ),
            (
                "198.51.100.0",
                "198.51.100.255",
                &["198.51.99.255", "198.51.101.0"],
            ),
            (
                "203.0.113.0",
                "203.0.113.255",
                &["203.0.112.255", "203.0.114.0"],
            ),
            ("224.0.0.0", "255.255.255.255", &["223.255.255.255"]),
            (
                "::",
                "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["2003::1"],
            ),
            (
                "2001::",
                "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["2001:200::"],
            ),
            (
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                &["2001:db7::", "2001:db9::"],
            ),
            (
                "2002::",
                "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["2003::"],
            ),
            (
                "3fff::",
                "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["3ffe::", "3fff:1000::"],
            ),
            (
                "4000::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["3fff:ffff::"],
            ),
        ];
        for (first, last, open) in rows {
            assert!(!permits(&guard, first), "{first}");
            assert!(!permits(&guard, last), "{last}");
            for ip in open {
                assert!(permits(&guard, ip), "{ip}");
            }
        }
    }

    #[test]
    fn ipv4_within_ipv6_is_seen_through() {
        let guard = AddressGuard::default();
        for ip in [
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "::ffff:a9fe:a9fe",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001:0:1:2:3:4:5:6",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            assert!(!permits(&guard, ip), "{ip}");
        }
        assert!(permits(&guard, "::ffff:8.8.8.8"));
        assert!(permits(&guard, "2606:4700:4700::1111"));
    }

    #[test]
    fn what_the_operator_allows_is_open_and_nothing_beside_it() {
        let guard = AddressGuard::new(vec![
            "10.1.0.0/16".parse().unwrap(),
            "fd12::/16".parse().unwrap(),
        ]);
        for ip in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"] {
            assert!(permits(&guard, ip), "{ip}");
        }
        for ip in ["10.2.0.1", "fd13::1", "::10.1.2.3", "127.0.0.1"] {
            assert!(!permits(&guard, ip), "{ip}");
        }
    }

    #[test]
    fn own_listen_addresses_stay_closed_where_their_net_is_allowed() {
        let mut guard = AddressGuard::new(vec![
            "127.0.0.0/8".parse().unwrap(),
            "0.0.0.0/8".parse().unwrap(),
            "::1/128".parse().unwrap(),
        ]);
        guard.refuse("127.0.0.1:9000".parse().unwrap());
        guard.refuse("[::]:9001".parse().unwrap());
        let permits = |to: &str| guard.permits_socket(to.parse().unwrap());
        for own in ["127.0.0.1:9000", "[::ffff:127.0.0.1]:9000", "0.0.0.0:9000"] {
            assert!(!permits(own), "{own}");
        }
        for own in ["127.0.0.1:9001", "127.8.8.8:9001", "[::1]:9001"] {
            assert!(!permits(own), "{own}");
        }
        for other in [
            "127.0.0.1:9002",
            "127.0.0.2:9000",
            "8.8.8.8:9000",
            "8.8.8.8:9001",
        ] {
            assert!(permits(other), "{other}");
        }
    }
}
