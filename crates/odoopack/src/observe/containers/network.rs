//! The network of a stack: the one that it has, the one that it had, or one that is free here.
use camino::Utf8Path;
use odoopack_core::layout::Layout;

use crate::exec::find_program;
use crate::failure::{Failure, Result};
use crate::files;
use crate::store::marks;
use crate::tools::docker;

/// Address and mask of a network.
type Range = (u32, u32);

/// First three bytes of the network of the pack's containers.
///
/// # Errors
/// Kind `Refused` when every network that may be taken is in use.
pub(super) fn of(layout: &Layout) -> Result<[u8; 3]> {
    let known = marks::network(&layout.state())?;
    if let Some(own) = own(layout)? {
        return Ok(known.unwrap_or(own));
    }
    // While the pack is down somebody else may have come to where it was.
    let (routes, networks) = (routes()?, networks()?);
    choose(known, &routes, &networks)
        .ok_or_else(|| Failure::refused("no network is free between 172.28.0.0 and 172.31.255.0"))
}

/// The network that the pack's containers are in already.
fn own(layout: &Layout) -> Result<Option<[u8; 3]>> {
    if find_program("docker").is_none() {
        return Ok(None);
    }
    let cmd = docker::subnet(&layout.project());
    let outcome = cmd.outcome()?;
    if outcome.status.success() {
        return Ok(docker::parse_subnet(&outcome.stdout));
    }
    let said = outcome.stderr.to_lowercase();
    if said.contains("not found") || said.contains("no such network") {
        return Ok(None);
    }
    Err(cmd.ended_badly(&outcome))
}

/// What the host's routes lead into.
fn routes() -> Result<Vec<Range>> {
    let routes = files::read_text(Utf8Path::new("/proc/net/route"))?.unwrap_or_default();
    Ok(parse_routes(&routes))
}

/// What Docker's networks have. One that goes away in between makes Docker end badly after it has told of the others.
fn networks() -> Result<Vec<Range>> {
    if find_program("docker").is_none() {
        return Ok(Vec::new());
    }
    let ids = docker::networks().outcome()?;
    let ids: Vec<&str> = ids.stdout.lines().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(docker::parse_subnets(&docker::subnets(&ids).outcome()?.stdout))
}

/// The network that the pack had unless another of Docker's has it, else the first free one of Docker's own part of the private addresses.
/// A route is no reason to leave the one that it had, which others may have been told: its own is more specific.
fn choose(known: Option<[u8; 3]>, routes: &[Range], networks: &[Range]) -> Option<[u8; 3]> {
    let candidates = (28..32_u8).flat_map(|b| (0..=255_u8).map(move |c| [172, b, c]));
    let known = known.filter(|one| is_free(*one, networks));
    known.or_else(|| {
        let mut candidates = candidates;
        candidates.find(|one| is_free(*one, routes) && is_free(*one, networks))
    })
}

fn is_free([a, b, c]: [u8; 3], taken: &[Range]) -> bool {
    let address = u32::from_be_bytes([a, b, c, 0]);
    let meets = |net: u32, mask: u32| address & mask == net || net & 0xffff_ff00 == address;
    taken.iter().all(|(net, mask)| *mask == 0 || !meets(*net, *mask))
}

/// Destination and mask of every route (`proc(5)`; hexadecimal, in the byte order of the machine).
fn parse_routes(text: &str) -> Vec<Range> {
    let number = |field: Option<&&str>| u32::from_str_radix(field?, 16).ok().map(u32::from_be);
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some((number(fields.get(1))?, number(fields.get(7))?))
    };
    text.lines().skip(1).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(a: [u8; 4], bits: u32) -> Range {
        (u32::from_be_bytes(a), u32::MAX << (32 - bits))
    }

    #[test]
    fn a_network_that_somebody_took_meanwhile_is_given_up() {
        let known = Some([172, 28, 0]);
        assert_eq!(choose(known, &[], &[]), known);
        let others = [range([172, 17, 0, 0], 16), (0, 0)];
        assert_eq!(choose(known, &others, &others), known);
        for other in [
            range([172, 28, 0, 0], 24),
            range([172, 28, 0, 0], 20),
            range([172, 28, 0, 64], 26),
        ] {
            let now = choose(known, &[], &[other]).unwrap();
            assert!(now != [172, 28, 0] && now[..2] == [172, 28], "{now:?}");
            assert_eq!(choose(known, &[other], &[]), known);
            let new = choose(None, &[other], &[]).unwrap();
            assert!(new != [172, 28, 0], "{new:?}");
        }
        assert_eq!(
            choose(None, &[], &[range([172, 28, 0, 0], 24)]),
            Some([172, 28, 1])
        );
        let everything = [range([172, 16, 0, 0], 12)];
        assert_eq!(choose(known, &everything, &[]), known);
        assert_eq!(choose(known, &[], &everything), None);
        assert_eq!(choose(None, &everything, &[]), None);
    }

    #[test]
    fn reads_routes() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    br-1\t00001CAC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        assert_eq!(parse_routes(text), [(0, 0), (0xac1c_0000, 0xffff_0000)]);
    }
}
