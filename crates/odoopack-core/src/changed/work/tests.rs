//! Tables: what each operation is planned to do, and what stands in its way.
use super::*;
use crate::changed::{Change, Gone, Reason};
use crate::manifest;
use crate::modules::{Module, Origin};
use crate::odoo::Series;

const TREE: &[(&str, &str)] = &[
    ("base", "{}"),
    ("web", "{'depends': ['base'], 'auto_install': ['base']}"),
    ("shop", "{'depends': ['web']}"),
    ("stock", "{'depends': ['base']}"),
    (
        "shop_stock",
        "{'depends': ['shop', 'stock'], 'auto_install': True}",
    ),
    ("shop_more", "{'depends': ['shop']}"),
    ("late", "{'depends': ['base'], 'installable': False}"),
    ("lost", "{'depends': ['nowhere']}"),
    ("old", "{'version': '18.0.1.0.0'}"),
];

fn tree() -> Tree {
    let module = |(name, text): &(&str, &str)| Module {
        name: (*name).to_owned(),
        path: format!("/addons/{name}").into(),
        origin: Origin::Odoo,
        manifest: manifest::parse(text.as_bytes()),
    };
    Tree::new(Series::V19, TREE.iter().map(module))
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn with_ground<T>(installed: &[&str], work: impl FnOnce(&mut Ground<'_>) -> T) -> T {
    let (tree, environment) = (tree(), "dev".parse().unwrap());
    work(&mut Ground {
        environment: &environment,
        tree: &tree,
        installed: installed.iter().copied().collect(),
        needs: &[],
        underway: &[],
        reset: false,
        in_file: &[],
    })
}

fn refusals(work: &Work) -> Vec<&str> {
    work.refusals
        .iter()
        .map(|refusal| refusal.what.as_str())
        .collect()
}

#[test]
fn an_installation_names_what_comes_with_it() {
    let check = |installed: &[&str], wanted: &[&str], modules: &[&str], others: &[&str]| {
        let work = with_ground(installed, |ground| install(ground, &owned(wanted)));
        assert_eq!(
            (work.modules, work.others),
            (owned(modules), owned(others)),
            "{wanted:?}"
        );
        assert_eq!(work.refusals, []);
    };
    check(&["base"], &["shop"], &["shop"], &["web"]);
    check(&["base", "web", "stock"], &["shop"], &["shop"], &["shop_stock"]);
    check(&["base", "web"], &["web", "shop", "shop"], &["shop"], &[]);
    // It would install itself, but somebody took it away; a third module does not bring it back.
    check(
        &["base", "web", "shop", "stock"],
        &["shop_more"],
        &["shop_more"],
        &[],
    );
    check(&["base", "web"], &["web"], &[], &[]);
}

#[test]
fn an_installation_that_cannot_end_well_is_refused() {
    let check = |wanted: &str, what: &str| {
        let work = with_ground(&["base"], |ground| install(ground, &owned(&[wanted])));
        assert_eq!(refusals(&work), [what]);
    };
    check("nix", "there is no module `nix` on the addons path");
    check(
        "late",
        "`late` cannot be installed: its manifest says that it is not installable",
    );
    check(
        "old",
        "`old` cannot be installed: its version is 18.0.1.0.0, which is not of 19.0",
    );
    check(
        "lost",
        "`lost` depends on `nowhere`, which cannot be installed here",
    );
}

#[test]
fn an_update_takes_what_needs_it_along() {
    let installed = ["base", "web", "shop", "shop_more", "stock"];
    let work = with_ground(&installed, |ground| {
        update(ground, &owned(&["shop"]), &Changes::default())
    });
    assert_eq!(
        (work.modules, work.others),
        (owned(&["shop"]), owned(&["shop_more"]))
    );
    let work = with_ground(&installed, |ground| {
        update(ground, &owned(&["late"]), &Changes::default())
    });
    assert_eq!(refusals(&work), ["`late` is not installed"]);
}

#[test]
fn missing_code_keeps_every_update_from_beginning() {
    let changes = Changes {
        gone: vec![Gone {
            module: "vanished".to_owned(),
            there: false,
        }],
        ..Changes::default()
    };
    let installed = ["base", "vanished"];
    let one = with_ground(&installed, |ground| update(ground, &owned(&["base"]), &changes));
    let all = with_ground(&installed, |ground| update_changed(ground, &changes));
    for work in [one, all] {
        assert_eq!(
            refusals(&work),
            ["vanished is installed, but no directory of the addons path has it"]
        );
    }
    // Taking it out of the database is the way on.
    let out = with_ground(&installed, |ground| uninstall(ground, &owned(&["vanished"])));
    assert_eq!(
        (refusals(&out), &out.modules),
        (Vec::new(), &owned(&["vanished"]))
    );
}

fn changed(modules: &[(&str, Reason)]) -> Changes {
    let one = |(name, reason): &(&str, Reason)| Change {
        module: (*name).to_owned(),
        reaction: reason.reaction(),
        reasons: vec![reason.clone()],
    };
    Changes {
        modules: modules.iter().map(one).collect(),
        ..Changes::default()
    }
}

#[test]
fn each_change_gets_what_it_asks_for() {
    let check = |changes: &[(&str, Reason)], modules: &[&str], assets: bool, remember: &[&str]| {
        let installed = ["base", "shop", "stock", "web"];
        let work = with_ground(&installed, |ground| update_changed(ground, &changed(changes)));
        assert_eq!(
            (work.modules.clone(), work.assets),
            (owned(modules), assets),
            "{changes:?}"
        );
        assert_eq!(work.remember, owned(remember));
        assert_eq!(work.changes_tables(), !modules.is_empty());
        assert_eq!(work.is_empty(), changes.is_empty());
    };
    check(&[], &[], false, &[]);
    check(&[("shop", Reason::Python)], &["shop"], false, &[]);
    check(&[("shop", Reason::Static)], &[], true, &["shop"]);
    check(&[("shop", Reason::Tests)], &[], false, &["shop"]);
    check(
        &[("shop", Reason::Python), ("stock", Reason::Static)],
        &["shop"],
        false,
        &["stock"],
    );
}

#[test]
fn an_uninstallation_shows_what_goes_along_and_spares_odoo() {
    let installed = ["base", "web", "shop", "shop_more"];
    let work = with_ground(&installed, |ground| {
        let in_file = owned(&["shop"]);
        uninstall(
            &Ground {
                in_file: &in_file,
                ..ground.clone()
            },
            &owned(&["shop", "stock"]),
        )
    });
    assert_eq!(
        (work.modules, work.others),
        (owned(&["shop"]), owned(&["shop_more"]))
    );
    assert_eq!(
        work.notes,
        [
            "stock is not installed",
            "odoopack.toml still names shop: a new database would have it again"
        ]
    );
    let work = with_ground(&installed, |ground| uninstall(ground, &owned(&["web"])));
    assert_eq!(refusals(&work), ["`web` is part of every Odoo"]);
}

#[test]
fn an_uninstallation_takes_along_what_needs_it_in_the_database() {
    // The code of today no longer says that `stock` needs `shop_more`; it is not loaded yet, so the database does.
    let needs = [("stock".to_owned(), "shop_more".to_owned())];
    let work = with_ground(&["base", "shop", "shop_more", "stock"], |ground| {
        let needs: &[(String, String)] = &needs;
        uninstall(
            &Ground {
                needs,
                ..ground.clone()
            },
            &owned(&["shop"]),
        )
    });
    assert_eq!(work.others, ["shop_more", "stock"]);
}

#[test]
fn what_is_under_way_is_refused_or_put_back() {
    let underway = [("shop".to_owned(), "to upgrade".to_owned())];
    let plan = |reset| {
        with_ground(&["base", "shop"], |ground| {
            let ground = Ground {
                underway: &underway,
                reset,
                ..ground.clone()
            };
            update(&ground, &owned(&["base"]), &Changes::default())
        })
    };
    assert_eq!(
        refusals(&plan(false)),
        ["another module operation has not ended: shop (to upgrade)"]
    );
    let work = plan(true);
    assert_eq!((refusals(&work), work.reset.len()), (Vec::new(), 1));
}
