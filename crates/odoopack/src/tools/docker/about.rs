//! What the daemon says of itself.
use crate::exec::Cmd;

/// Asks the daemon for its version, and how it keeps containers apart.
pub(crate) fn about() -> Cmd {
    let format = r#"{"version":{{json .ServerVersion}},"options":{{json .SecurityOptions}}}"#;
    super::docker(&["info", "--format", format])
}

#[derive(serde::Deserialize)]
struct About {
    version: String,
    options: Option<Vec<String>>,
}

/// What [`about`] prints: the version, and names such as `seccomp` and `rootless`; `None`: it says nothing of a daemon.
///
/// # Source
/// Engine API 1.41, `GET /info`: each of `SecurityOptions` is `name=NAME`, with more after a comma.
pub(crate) fn parse_about(text: &str) -> Option<(String, Vec<String>)> {
    let About { version, options } = serde_json::from_str(text).ok()?;
    let name = |option: String| {
        let mut parts = option.split(',');
        parts.find_map(|part| Some(part.strip_prefix("name=")?.to_owned()))
    };
    let names = options.unwrap_or_default().into_iter().filter_map(name);
    (!version.is_empty()).then(|| (version, names.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_names_of_the_security_options() {
        let names = |text: &str| {
            let (version, names) = parse_about(text)?;
            Some(format!("{version} {}", names.join(" ")))
        };
        let remapped = r#"{"version":"20.10.24+dfsg1","options":["name=apparmor","name=seccomp,profile=default","name=userns"]}"#;
        assert_eq!(
            names(remapped).as_deref(),
            Some("20.10.24+dfsg1 apparmor seccomp userns")
        );
        let rootless = r#"{"version":"29.1.2","options":["name=seccomp,profile=builtin","name=rootless","name=cgroupns"]}"#;
        assert_eq!(
            names(rootless).as_deref(),
            Some("29.1.2 seccomp rootless cgroupns")
        );
        assert_eq!(
            names(r#"{"version":"28.0.0","options":null}"#).as_deref(),
            Some("28.0.0 ")
        );
        for nothing in [r#"{"version":"","options":null}"#, r#"{"version":null}"#, "", "{"] {
            assert_eq!(names(nothing), None, "{nothing}");
        }
    }
}
