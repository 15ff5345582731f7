//! Each environment owns a block of private ports for its slots; a block once given stays as long as it can be used.
use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::facts::Facts;
use crate::hash;
use crate::layout::Slot;
use crate::name::Name;
use crate::spec::Spec;

/// First port ever given out; below the kernel's ephemeral range (32768, `ip(7)`).
const FIRST: u16 = 21_000;
/// Where blocks are given out.
pub const PRIVATE_PORTS: std::ops::Range<u16> = FIRST..LAST + BLOCK;
/// Ports in a block.
const BLOCK: u16 = 10;
/// End of the range.
const LAST: u16 = 32_000;

/// The block of one environment; every port is bound to loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ports {
    /// First port of the block.
    pub first: u16,
}

impl Ports {
    /// Odoo's HTTP port in a slot.
    pub fn web(self, slot: Slot) -> u16 {
        self.first + 2 * Self::at(slot)
    }

    /// The gevent port in a slot.
    pub fn websocket(self, slot: Slot) -> u16 {
        self.web(slot) + 1
    }

    /// Where nginx answers on loopback without TLS, for what Odoo itself asks for (pages to print).
    pub fn inner(self) -> u16 {
        self.first + 8
    }

    /// Number of the block.
    pub fn number(self) -> u16 {
        self.first.saturating_sub(FIRST) / BLOCK
    }

    fn at(slot: Slot) -> u16 {
        match slot {
            Slot::Blue => 0,
            Slot::Green => 1,
        }
    }
}

pub(super) fn of(spec: &Spec, facts: &Facts) -> BTreeMap<Name, Ports> {
    let taken = |port: &u16| facts.foreign_listeners.contains_key(port);
    let names: Vec<&Name> = spec.environments.keys().collect();
    allocate(&facts.ports, &names, home(&spec.pack.root), taken)
        .into_iter()
        .map(|(name, first)| (name, Ports { first }))
        .collect()
}

/// Where a pack at `root` begins to look for free blocks.
///
/// Two packs of one machine begin at different places: each gets blocks that the other will not want either while it
/// is down, or while both come up in the same second.
pub(super) fn home(root: &Utf8Path) -> u16 {
    let digits = hash::hex(root.as_str().as_bytes());
    let number = u64::from_str_radix(&digits[..8], 16).expect("a hash has hexadecimal digits");
    let blocks = u64::from((LAST - FIRST) / BLOCK);
    let block = u16::try_from(number % blocks).expect("there are about a thousand blocks");
    FIRST + block * BLOCK
}

/// Gives every environment a block: the one it had unless somebody else has come to listen there, else the first free
/// one from `home` on, around the range.
///
/// # Shape
/// One entry per name of `wanted`; blocks of environments that are gone stay reserved, so that a name that comes
/// back finds its own.
pub fn allocate(
    given: &BTreeMap<Name, u16>,
    wanted: &[&Name],
    home: u16,
    taken: impl Fn(&u16) -> bool,
) -> BTreeMap<Name, u16> {
    let mut all = given.clone();
    let used = |first: u16| (first..first.saturating_add(BLOCK)).any(|port| taken(&port));
    all.retain(|name, first| !wanted.contains(&name) || !used(*first));
    for name in wanted {
        if !all.contains_key(*name) {
            let step = usize::from(BLOCK);
            let free = (home..LAST)
                .step_by(step)
                .chain((FIRST..home).step_by(step))
                .find(|first| !all.values().any(|other| other == first) && !used(*first));
            all.insert((*name).clone(), free.unwrap_or(LAST));
        }
    }
    all.retain(|name, _| wanted.contains(&name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_environment_takes_a_free_block_and_moves_nobody() {
        let [a, b, c] = ["a", "b", "c"].map(|n| n.parse::<Name>().unwrap());
        let given = BTreeMap::from([(b.clone(), 21_000)]);
        let taken = |port: &u16| *port == 21_013;
        let all = allocate(&given, &[&a, &b, &c], FIRST, taken);
        assert_eq!(all, BTreeMap::from([(a, 21_020), (b, 21_000), (c, 21_030)]));
    }

    #[test]
    fn a_block_that_somebody_else_uses_is_given_up() {
        let [a, b, gone] = ["a", "b", "gone"].map(|n| n.parse::<Name>().unwrap());
        let given = BTreeMap::from([(a.clone(), 21_000), (b.clone(), 21_010), (gone, 21_020)]);
        let taken = |port: &u16| [21_003, 21_024].contains(port);
        let all = allocate(&given, &[&a, &b], FIRST, taken);
        assert_eq!(all, BTreeMap::from([(a, 21_030), (b, 21_010)]));
    }

    #[test]
    fn the_search_goes_around_the_range() {
        let [a, b] = ["a", "b"].map(|n| n.parse::<Name>().unwrap());
        let all = allocate(&BTreeMap::new(), &[&a, &b], LAST - BLOCK, |_| false);
        assert_eq!(all, BTreeMap::from([(a, LAST - BLOCK), (b, FIRST)]));
    }

    #[test]
    fn new_packs_begin_apart() {
        let homes: std::collections::BTreeSet<u16> = (0..20)
            .map(|n| home(Utf8Path::new(&format!("/opt/pack-{n}"))))
            .collect();
        assert!(homes.len() > 18, "{homes:?}");
        assert!(
            homes
                .iter()
                .all(|home| (FIRST..LAST).contains(home) && home % BLOCK == 0)
        );
        assert_eq!(
            home("/opt/odoopack-demo".into()),
            home("/opt/odoopack-demo".into())
        );
    }

    #[test]
    fn no_two_ports_of_a_block_are_the_same() {
        let ports = Ports { first: 21_000 };
        let mut all: Vec<u16> = Slot::ALL
            .iter()
            .flat_map(|s| [ports.web(*s), ports.websocket(*s)])
            .collect();
        all.push(ports.inner());
        assert_eq!(all, [21_000, 21_001, 21_002, 21_003, 21_008]);
    }
}
