//! A git repository laid out as Odoo's own, made from Debian's package: `odoo-bin`, `odoo/`, `addons/`.
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::Pack;
use super::machine::{must, roomy};

/// Modules beyond `base`, each with what it depends on.
const ADDONS: [&str; 11] = [
    "rpc",
    "web",
    "bus",
    "base_setup",
    "web_tour",
    "html_editor",
    "mail",
    "base_sparse_field",
    "base_import",
    "iap",
    "auth_totp",
];

/// What `requirements.txt` of 19.0 asks for on Python 3.11, versions without a wheel included.
const REQUIREMENTS: &str = "asn1crypto==1.5.1\nBabel==2.10.3\ncbor2==5.9.0\nchardet==5.2.0\ncryptography==46.0.5\n\
    docutils==0.20.1\nfreezegun==1.2.1\ngeoip2==2.9.0\ngevent==23.9.1\ngreenlet==2.0.2\nidna==2.10\nJinja2==3.1.2\n\
    libsass==0.22.0\nlxml==4.9.3\nMarkupSafe==2.1.2\nnum2words==0.5.10\nofxparse==0.21\nopenpyxl==3.0.9\npasslib==1.7.4\n\
    Pillow==12.1.1\npolib==1.1.1\npsutil==5.9.4\npsycopg2==2.9.5\npyopenssl==26.0.0\nPyPDF2==2.12.1\npyserial==3.5\n\
    python-dateutil==2.8.2\npython-magic==0.4.24\npython-ldap==3.4.0\npython-stdnum==1.19\npytz\npyusb==1.2.1\n\
    qrcode==7.4.2\nreportlab==3.6.13\nrequests==2.31.0\nrjsmin==1.2.0\nurllib3==1.26.20\nvobject==0.9.6.1\n\
    Werkzeug==2.3.8\nxlrd==1.2.0\nXlsxWriter==3.0.2\nxlwt==1.3.0\nzeep==4.2.1\n";

/// The repository; removed at the end.
#[derive(Debug)]
pub(crate) struct Repository {
    place: Utf8PathBuf,
    pub(crate) url: String,
}

impl Drop for Repository {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.place));
    }
}

/// Makes it; the branches `19.0` and, wrongly, `18.0` stand at its only commit.
pub(crate) fn repository() -> Repository {
    // One place and one commit for every run, so that the mirror in the cache is the same one as well.
    let place = roomy().join("odoopack-git");
    drop(std::fs::remove_dir_all(&place));
    let unpacked = place.join("package");
    unpack(&unpacked);
    let tree = place.join("odoo");
    lay_out(&unpacked, &tree);
    std::fs::remove_dir_all(&unpacked).unwrap();
    let git = |args: &[&str]| {
        let date = "1700000000 +0000";
        let dates = ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"].map(|name| format!("{name}={date}"));
        let who = [
            dates[0].as_str(),
            &dates[1],
            "git",
            "-C",
            tree.as_str(),
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.org",
        ];
        must("env", &[&who, args].concat())
    };
    git(&["init", "--quiet", "--initial-branch=19.0"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=Odoo"]);
    git(&["branch", "18.0"]);
    Repository {
        url: format!("file://{tree}"),
        place,
    }
}

/// Debian's package and those that its links lead into, without translations and countries.
fn unpack(to: &Utf8Path) {
    std::fs::create_dir_all(to).unwrap();
    let mut packages = downloads();
    if !packages.iter().any(is_odoo) {
        // The product itself fetches them.
        let demo = Pack::new("fetch");
        demo.run(&["demo", "--yes"]).exits(0);
        drop(demo);
        packages = downloads();
    }
    for package in packages {
        let script = "dpkg-deb --fsys-tarfile \"$0\" | tar -x -C \"$1\" --exclude=i18n --exclude='*/l10n_*'";
        must("sh", &["-euc", script, package.as_str(), to.as_str()]);
    }
}

fn is_odoo(package: &Utf8PathBuf) -> bool {
    package.as_str().ends_with("-odoo-19.deb")
}

fn downloads() -> Vec<Utf8PathBuf> {
    let home = Utf8PathBuf::from(std::env::var("HOME").unwrap());
    let base = std::env::var("XDG_CACHE_HOME").map_or_else(|_| home.join(".cache"), Utf8PathBuf::from);
    let entries = base.join("odoopack/debs").read_dir_utf8();
    let paths = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(camino::Utf8DirEntry::into_path);
    paths.filter(|path| path.extension() == Some("deb")).collect()
}

fn lay_out(unpacked: &Utf8Path, tree: &Utf8Path) {
    let package = unpacked.join("usr/lib/python3/dist-packages/odoo");
    let addons = tree.join("addons");
    std::fs::create_dir_all(&addons).unwrap();
    for name in ADDONS {
        std::fs::rename(package.join("addons").join(name), addons.join(name)).unwrap();
    }
    for entry in package.join("addons").read_dir_utf8().unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() && entry.file_name() != "base" {
            keep_manifest(entry.path(), &addons.join(entry.file_name()));
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    std::fs::rename(&package, tree.join("odoo")).unwrap();
    follow_links(tree, unpacked);
    let program = tree.join("odoo-bin");
    std::fs::copy(unpacked.join("usr/bin/odoo"), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(tree.join("requirements.txt"), REQUIREMENTS).unwrap();
}

/// `base` refers to categories that other modules' manifests bring; those that install themselves would be installed.
fn keep_manifest(module: &Utf8Path, to: &Utf8Path) {
    let manifest = module.join("__manifest__.py");
    let text = std::fs::read_to_string(&manifest).unwrap_or_default();
    if text.contains("category") && !text.contains("auto_install") {
        std::fs::create_dir_all(to).unwrap();
        std::fs::write(to.join("__manifest__.py"), text).unwrap();
        std::fs::write(to.join("__init__.py"), "").unwrap();
    }
}

/// The repository holds the files themselves where the package has links to other packages.
fn follow_links(directory: &Utf8Path, unpacked: &Utf8Path) {
    for entry in directory.read_dir_utf8().unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            follow_links(path, unpacked);
        } else if kind.is_symlink() {
            let to = path.read_link_utf8().unwrap();
            let to = to
                .strip_prefix("/")
                .map_or_else(|_| directory.join(&to), |to| unpacked.join(to));
            std::fs::remove_file(path).unwrap();
            if to.is_file() {
                std::fs::copy(&to, path).unwrap();
            }
        }
    }
}
