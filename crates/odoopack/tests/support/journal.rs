//! Reads the journals of a pack while they are written.
use camino::Utf8PathBuf;
use serde_json::Value;

use super::Pack;

/// Lines of the newest journal of `up`; half a line at its end is left out.
pub(crate) fn newest(pack: &Pack) -> Vec<Value> {
    let directory = pack.path("data/odoopack/operations");
    let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
    let newest = entries
        .map(camino::Utf8DirEntry::into_path)
        .filter(|path| path.as_str().ends_with("-up.jsonl"))
        .max();
    newest.map(|path| lines(&path)).unwrap_or_default()
}

fn lines(path: &Utf8PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Steps that have begun, as text: their kind and what they are about.
pub(crate) fn begun(pack: &Pack, pid: u32) -> Vec<String> {
    let lines = newest(pack);
    // A journal of an earlier run says another process.
    if lines.first().is_none_or(|line| line["pid"] != pid) {
        return Vec::new();
    }
    lines
        .iter()
        .filter(|line| line["event"] == "begin")
        .map(|line| line["step"].to_string())
        .collect()
}
