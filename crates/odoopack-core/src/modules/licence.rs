//! Which licence may build on which.

/// What a licence asks of works that build on it, from least to most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Freedom {
    /// MIT, Apache, BSD.
    Permissive,
    /// LGPL.
    Weak,
    /// GPL.
    Strong,
    /// AGPL.
    Network,
    /// Not free: OEEL, OPL.
    Proprietary,
}

/// What the value of `license` asks; `None` for a licence that is not known here.
///
/// # Source
/// `odoo/addons/base/models/ir_module.py`, field `license`: the values that Odoo knows; and the permissive ones in use.
fn freedom(license: &str) -> Option<Freedom> {
    Some(match license.to_lowercase().as_str() {
        "mit" | "apache-2" | "apache-2.0" | "bsd" | "bsd-3" => Freedom::Permissive,
        "lgpl-3" | "lgpl-3 or any later version" | "lgpl-3.0" | "lgpl-3.0-or-later" => Freedom::Weak,
        "gpl-2" | "gpl-2 or any later version" | "gpl-3" | "gpl-3 or any later version" => Freedom::Strong,
        "agpl-3" | "agpl-3 or any later version" | "agpl-3.0" | "agpl-3.0-or-later" => Freedom::Network,
        "oeel-1" | "opl-1" | "other proprietary" => Freedom::Proprietary,
        _ => return None,
    })
}

/// Whether a work under `license` may not build on one under `of`; licences that are not known conflict with nothing.
///
/// # Source
/// manifestoo 1.1, `check-licenses`: proprietary works may build on weaker ones, every other licence on those that ask as
/// much or less.
pub fn conflict(license: &str, of: &str) -> bool {
    let (Some(work), Some(ground)) = (freedom(license), freedom(of)) else {
        return false;
    };
    match work {
        Freedom::Proprietary => matches!(ground, Freedom::Strong | Freedom::Network),
        Freedom::Permissive | Freedom::Weak | Freedom::Strong | Freedom::Network => ground > work,
    }
}
