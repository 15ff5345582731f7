//! Networks of Docker, and what addresses they have.
use super::docker;
use crate::exec::Cmd;

/// Subnet of a project's network; ends badly when there is none.
pub(crate) fn subnet(project: &str) -> Cmd {
    let format = "{{range .IPAM.Config}}{{println .Subnet}}{{end}}";
    docker(&["network", "inspect", "--format", format]).arg(format!("{project}_default"))
}

/// Ids of all networks.
pub(crate) fn networks() -> Cmd {
    docker(&["network", "ls", "--quiet", "--no-trunc"])
}

/// Subnets of networks, one a line.
pub(crate) fn subnets(ids: &[&str]) -> Cmd {
    let format = "{{range .IPAM.Config}}{{println .Subnet}}{{end}}";
    docker(&["network", "inspect", "--format", format]).args(ids.iter().copied())
}

/// Address and mask of each IPv4 line that [`subnets`] prints.
pub(crate) fn parse_subnets(text: &str) -> Vec<(u32, u32)> {
    let one = |line: &str| {
        let (address, bits) = line.trim().split_once('/')?;
        let address: std::net::Ipv4Addr = address.parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
        Some((u32::from(address) & mask, mask))
    };
    text.lines().filter_map(one).collect()
}

/// First three bytes of what [`subnet`] prints.
pub(crate) fn parse_subnet(text: &str) -> Option<[u8; 3]> {
    text.lines().find_map(|line| first_three(line.split('/').next()?))
}

fn first_three(address: &str) -> Option<[u8; 3]> {
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let [a, b, c, _] = address.octets();
    Some([a, b, c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_subnets() {
        assert_eq!(parse_subnet("fd00::/64\n172.28.3.0/24\n"), Some([172, 28, 3]));
        assert_eq!(
            parse_subnets("172.17.0.0/16\n\nfd00::/64\n172.28.3.5/24\n0.0.0.0/0\n"),
            [(0xac11_0000, 0xffff_0000), (0xac1c_0300, 0xffff_ff00), (0, 0)]
        );
    }
}
