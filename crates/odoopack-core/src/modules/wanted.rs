//! Patterns that choose modules by name.

/// Whether `name` is chosen by a pattern in which `*` stands for any letters.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        let check = |pattern: &str, name: &str, wanted: bool| {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        };
        check("web_*", "web_responsive", true);
        check("web_*", "website", false);
        check("*", "x", true);
        check("sale", "sale", true);
        check("sale", "sale_stock", false);
        check("*_sale", "l10n_it_sale", true);
        check("l10n_*_sale", "l10n_it_edi_sale", true);
        check("l10n_*_sale", "l10n_sale", false);
        check("a*b*c", "abc", true);
        check("a*b*c", "acb", false);
    }
}
