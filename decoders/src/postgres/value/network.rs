//! Addresses (`src/backend/utils/adt/{network,inet_net_ntop,mac,mac8}.c`).

use super::buffer::{Buffer, print_to};
use crate::postgres::reader::{Malformed, Reader};

const IPV4: u8 = 2;
const IPV6: u8 = 3;

/// An `inet` or `cidr`: family, bits of the network, whether it is a `cidr`, and the address behind its length.
pub(super) fn print_network(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let (family, bits, is_cidr, length) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let whole = match (family, length) {
        (IPV4, 4) => {
            let [a, b, c, d] = reader.array()?;
            print_to!(out, "{a}.{b}.{c}.{d}");
            32
        }
        (IPV6, 16) => {
            print_ipv6(reader.array()?, out);
            128
        }
        _ => return Err(Malformed("is of an unknown family of addresses")),
    };
    if bits > whole {
        return Err(Malformed("has a network of more bits than its address"));
    }
    if is_cidr != 0 || bits != whole {
        print_to!(out, "/{bits}");
    }
    Ok(())
}

/// The longest run of two zero groups or more is left out; what embeds an IPv4 address ends like one.
fn print_ipv6(bytes: [u8; 16], out: &mut Buffer) {
    let address = std::net::Ipv6Addr::from(bytes);
    let groups = address.segments();
    let [.., a, b, c, d] = bytes;
    let (gap, length) = longest_zeros(groups);
    let embeds = match length {
        _ if gap != 0 => false,
        5 => groups.get(5) == Some(&0xFFFF),
        6 => true,
        _ => false,
    };
    for (place, group) in groups.iter().enumerate() {
        if embeds && place == 6 {
            print_to!(out, ":{a}.{b}.{c}.{d}");
            return;
        }
        match place.checked_sub(gap) {
            Some(inside) if inside < length => out.push(if inside == 0 { ":" } else { "" }),
            _ => print_to!(out, "{}{group:x}", if place == 0 { "" } else { ":" }),
        }
    }
    if length > 0 && gap + length == 8 {
        out.push(":");
    }
}

/// Start and length of the longest run of two or more zeros, the first of equal ones.
fn longest_zeros(groups: [u16; 8]) -> (usize, usize) {
    let (mut best, mut run) = ((0, 0), (0, 0));
    for (place, group) in groups.iter().enumerate() {
        run = if *group == 0 { (run.0, run.1 + 1) } else { (place + 1, 0) };
        if run.1 > best.1 {
            best = run;
        }
    }
    if best.1 > 1 { best } else { (0, 0) }
}

/// A `macaddr` of 6 or a `macaddr8` of 8 bytes.
pub(super) fn print_mac(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    if !matches!(reader.len(), 6 | 8) {
        return Err(Malformed("has another length than its type"));
    }
    let bytes = reader.take(reader.len())?;
    for (place, byte) in bytes.iter().enumerate() {
        print_to!(out, "{}{byte:02x}", if place == 0 { "" } else { ":" });
    }
    Ok(())
}
