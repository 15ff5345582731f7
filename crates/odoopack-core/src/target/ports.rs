//! Each environment owns a block of private ports for its slots; a block once given stays as long as it can be used.
use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::facts::Facts;
use crate::hash;
use crate::layout::Slot;
use crate::name::Name;
use crate::spec::{Engine, Spec};

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
    // In a stack the number of a block is that of two addresses as well.
    let apart = (spec.pack.engine == Engine::Compose).then_some(super::compose::ENVIRONMENTS);
    allocate(&facts.ports, &names, home(&spec.pack.root), apart, taken)
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
/// one from `home` on, around the range. With `apart` no two numbers are the same when divided by it, as long as that can be.
///
/// # Shape
/// One entry per name of `wanted`; blocks of environments that are gone stay reserved, so that a name that comes
/// back finds its own.
pub fn allocate(
    given: &BTreeMap<Name, u16>,
    wanted: &[&Name],
    home: u16,
    apart: Option<u16>,
    taken: impl Fn(&u16) -> bool,
) -> BTreeMap<Name, u16> {
    let mut all = given.clone();
    let used = |first: u16| (first..first.saturating_add(BLOCK)).any(|port| taken(&port));
    let meets = |a: u16, b: u16| {
        let number = |first| Ports { first }.number();
        a == b || apart.is_some_and(|apart| number(a) % apart == number(b) % apart)
    };
    let mut kept: Vec<u16> = Vec::new();
    all.retain(|name, first| {
        if !wanted.contains(&name) {
            return true;
        }
        let good = !used(*first) && !kept.iter().any(|other| meets(*other, *first));
        kept.extend(good.then_some(*first));
        good
    });
    for name in wanted {
        if !all.contains_key(*name) {
            let step = usize::from(BLOCK);
            let blocks = (home..LAST)
                .step_by(step)
                .chain((FIRST..home).step_by(step))
                .filter(|first| !all.values().any(|other| other == first) && !used(*first));
            // Those of environments that are gone are left to them while there are others.
            let free = |others: &BTreeMap<Name, u16>| {
                let mut blocks = blocks.clone();
                blocks.find(|first| !others.values().any(|other| meets(*other, *first)))
            };
            let mut here = all.clone();
            here.retain(|name, _| wanted.contains(&name));
            let block = free(&all).or_else(|| free(&here)).unwrap_or(LAST);
            all.insert((*name).clone(), block);
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
        let all = allocate(&given, &[&a, &b, &c], FIRST, None, taken);
        assert_eq!(all, BTreeMap::from([(a, 21_020), (b, 21_000), (c, 21_030)]));
    }

    #[test]
    fn a_block_that_somebody_else_uses_is_given_up() {
        let [a, b, gone] = ["a", "b", "gone"].map(|n| n.parse::<Name>().unwrap());
        let given = BTreeMap::from([(a.clone(), 21_000), (b.clone(), 21_010), (gone, 21_020)]);
        let taken = |port: &u16| [21_003, 21_024].contains(port);
        let all = allocate(&given, &[&a, &b], FIRST, None, taken);
        assert_eq!(all, BTreeMap::from([(a, 21_030), (b, 21_010)]));
    }

    #[test]
    fn the_search_goes_around_the_range() {
        let [a, b] = ["a", "b"].map(|n| n.parse::<Name>().unwrap());
        let all = allocate(&BTreeMap::new(), &[&a, &b], LAST - BLOCK, None, |_| false);
        assert_eq!(all, BTreeMap::from([(a, LAST - BLOCK), (b, FIRST)]));
    }

    #[test]
    fn a_stack_gives_no_address_twice() {
        let apart = super::super::compose::ENVIRONMENTS;
        let names: Vec<Name> = (0..80).map(|n| format!("e{n:02}").parse().unwrap()).collect();
        let address = |first: u16| {
            let address = super::super::compose::address([172, 28, 0], Ports { first }, Slot::Blue);
            address.rsplit('.').next().unwrap().parse::<u16>().unwrap()
        };
        let addresses = |all: &BTreeMap<Name, u16>| -> std::collections::BTreeSet<u16> {
            all.values().map(|first| address(*first)).collect()
        };
        // All but one were given to environments that are gone, and one that stays.
        let mut given = BTreeMap::new();
        for name in &names[..60] {
            let blocks = allocate(&given, &[name, &names[0]], FIRST, Some(apart), |_| false);
            given.extend(blocks.clone());
            assert_eq!(addresses(&blocks).len(), blocks.len(), "{name}: {blocks:?}");
            assert_eq!(blocks[&names[0]], FIRST, "it stays where it was");
        }
        // As many as there are addresses for, of which some met before.
        let wanted: Vec<&Name> = names[..usize::from(apart)].iter().collect();
        let all = allocate(&given, &wanted, FIRST, Some(apart), |_| false);
        assert_eq!(addresses(&all).len(), usize::from(apart));
        let met = BTreeMap::from([
            (names[0].clone(), FIRST),
            (names[1].clone(), FIRST + apart * BLOCK),
        ]);
        let all = allocate(&met, &[&names[0], &names[1]], FIRST, Some(apart), |_| false);
        assert_eq!((all[&names[0]], addresses(&all).len()), (FIRST, 2), "{all:?}");
        assert_eq!(
            allocate(&met, &[&names[0], &names[1]], FIRST, None, |_| false),
            met
        );
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
