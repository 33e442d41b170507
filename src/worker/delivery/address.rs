//! Which addresses may be met: what keeps a registered URL from leading into our own network (SSRF).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address may be met. Without leave only public ones; with it also those of a private network or this
/// machine, but never one that names no host of its own, such as a cloud's metadata service.
#[must_use]
pub fn may_meet(address: IpAddr, allow_private: bool) -> bool {
    match address {
        IpAddr::V4(v4) => may_meet_v4(v4, allow_private),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => may_meet_v4(v4, allow_private),
            None => may_meet_v6(v6, allow_private),
        },
    }
}

fn may_meet_v4(v4: Ipv4Addr, allow_private: bool) -> bool {
    let [a, b, c, _] = v4.octets();
    // Services of clouds that tell a machine its secrets stand at addresses that are otherwise shared or public.
    let metadata = matches!(v4.octets(), [100, 100, 100, 200] | [168, 63, 129, 16]);
    let never = metadata
        || v4.is_unspecified()
        || v4.is_multicast()
        || v4.is_link_local()
        || a == 0
        || a >= 240;
    let shared = a == 100 && (64..128).contains(&b);
    let special = (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 198 && (18..20).contains(&b))
        || v4.is_documentation();
    let private = v4.is_private() || v4.is_loopback() || shared || special;
    !never && (allow_private || !private)
}

/// Of IPv6 only what is on a list: global unicast without its special ranges, which lead elsewhere or nowhere; with leave
/// unique local addresses and this machine.
fn may_meet_v6(v6: Ipv6Addr, allow_private: bool) -> bool {
    let [first, second, ..] = v6.segments();
    let metadata = v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254];
    let private = v6.is_loopback() || first & 0xfe00 == 0xfc00;
    // Teredo and other special uses (2001::/23), documentation, 6to4, and documentation again.
    let special = (first == 0x2001 && (second < 0x200 || second == 0xdb8))
        || first == 0x2002
        || first & 0xfff0 == 0x3ff0;
    let public = first & 0xe000 == 0x2000 && !special;
    !metadata && (public || (allow_private && private))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_met_and_private_ones_with_leave() {
        let meets = |text: &str, leave: bool| may_meet(text.parse().unwrap(), leave);
        for public in ["93.184.216.34", "2a00:1450:400e:80c::200e"] {
            assert!(meets(public, false) && meets(public, true), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!meets(private, false) && meets(private, true), "{private}");
        }
        for never in [
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::127.0.0.1",
            "::10.0.0.1",
            "::ffff:0:10.0.0.1",
            "fec0::1",
            "100::1",
            "3fff::1",
            "2001:db8::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            assert!(!meets(never, false) && !meets(never, true), "{never}");
        }
    }
}
