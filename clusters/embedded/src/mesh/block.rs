//! Blocks of IP addresses: `10.0.0.0/8`, or one address.

use std::net::IpAddr;

/// A block in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    address: IpAddr,
    bits: u8,
}

impl Block {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok())?;
        (bits <= width).then_some(Self { address, bits })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(block), IpAddr::V4(address)) => {
                same_start(block.to_bits().into(), address.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(block), IpAddr::V6(address)) => same_start(block.to_bits(), address.to_bits(), 128, self.bits),
            _ => false,
        }
    }
}

fn same_start(one: u128, other: u128, width: u32, bits: u8) -> bool {
    (one ^ other).checked_shr(width - u32::from(bits)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_the_addresses_that_start_as_it_does() {
        for (block, address, holds) in [
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
        ] {
            let found = Block::parse(block).unwrap().contains(address.parse().unwrap());
            assert_eq!(found, holds, "{block} on {address}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "x", "::/129", "10.0.0.0/"] {
            assert_eq!(Block::parse(text), None, "{text}");
        }
    }
}
