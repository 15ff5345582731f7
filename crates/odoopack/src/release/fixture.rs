//! What the tests of releases share: a pack in a scratch directory and a tiny Odoo.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::backup::retention::Keep;
use odoopack_core::layout::Layout;
use odoopack_core::spec::{
    Addons, Backup, BackupAge, Capacity, Clusters, Engine, HostPort, Images, Mail, Odoo, Pack, Postgres,
    Roles, Series, Source, Spec, Web,
};
use odoopack_core::units::{Bytes, Seconds};

use super::Builder;
use crate::files;
use crate::ui::Ui;

/// A pack of its own with everything that a [`Builder`] borrows.
pub(super) struct Scratch {
    _keep: tempfile::TempDir,
    pub(super) root: Utf8PathBuf,
    pub(super) cache: Utf8PathBuf,
    pub(super) ui: Ui,
    pub(super) layout: Layout,
    pub(super) spec: Spec,
    pub(super) python: Utf8PathBuf,
}

impl Scratch {
    /// A pack with this source and a cache of its own, readable for every user.
    pub(super) fn new(series: Series, source: Source) -> Self {
        // In memory where there is some: the 40,000 files of a release take a disk long to write and to remove.
        let memory = Utf8Path::new("/dev/shm");
        let plenty = crate::observe::host::disk_free(memory).is_ok_and(|free| free >= Bytes::gib(6));
        let keep = if memory.is_dir() && plenty {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let keep = keep.unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        files::directory(&root, 0o755, None).unwrap();
        let layout = Layout::new(&root, &"demo".parse().unwrap(), false);
        let python = super::interpreter(series, None, false).unwrap();
        let cache = root.join("cache");
        let spec = spec(series, source, &root);
        Self {
            _keep: keep,
            root,
            cache,
            ui: Ui::new(false, true, false),
            layout,
            spec,
            python,
        }
    }

    /// The builder of this pack.
    pub(super) fn builder(&self) -> Builder<'_> {
        Builder {
            ui: &self.ui,
            layout: &self.layout,
            spec: &self.spec,
            cache: &self.cache,
            repo: &self.root,
            python: &self.python,
            lock: None,
        }
    }

    /// Writes a text below the root.
    pub(super) fn write(&self, name: &str, text: &str) -> Utf8PathBuf {
        let path = self.root.join(name);
        files::directory_all(path.parent().unwrap()).unwrap();
        files::replace(&path, text.as_bytes(), 0o644, None).unwrap();
        path
    }
}

/// Writes something that looks like a checkout of Odoo and can say its version.
pub(super) fn tiny_odoo(directory: &Utf8Path, series: &str) {
    let version = format!(
        "version_info = ({}, 0, FINAL, 0, '')\n",
        series.replace('.', ", ")
    );
    let files = [
        (
            "odoo-bin",
            "#!/usr/bin/env python3\nimport odoo.release\nprint('Odoo Server')\n",
        ),
        ("odoo/__init__.py", ""),
        ("odoo/release.py", &format!("FINAL = 'final'\n{version}")),
        ("odoo/addons/base/__manifest__.py", "{'name': 'Base'}\n"),
        ("addons/web/__manifest__.py", "{'name': 'Web'}\n"),
        ("requirements.txt", "six==1.17.0\n"),
    ];
    for (name, text) in files {
        let path = directory.join(name);
        files::directory_all(path.parent().unwrap()).unwrap();
        files::replace(&path, text.as_bytes(), 0o644, None).unwrap();
    }
}

fn postgres() -> Postgres {
    Postgres {
        cluster: Clusters::Shared,
        directory: None,
        url: None,
        password: None,
        roles: Roles::Given,
        version: None,
        port: None,
        options: [].into(),
    }
}

fn spec(series: Series, source: Source, root: &Utf8Path) -> Spec {
    Spec {
        pack: Pack {
            name: "demo".parse().unwrap(),
            root: root.to_owned(),
            engine: Engine::Native,
            timezone: "UTC".parse().unwrap(),
        },
        odoo: Odoo {
            series,
            source,
            debian_mirror: None,
            python: None,
            options: [].into(),
        },
        addons: Addons::default(),
        mail: Mail {
            relay: None,
            catcher: HostPort {
                host: "127.0.0.1".to_owned(),
                port: 1025,
            },
            from: None,
        },
        postgres: postgres(),
        images: Images {
            postgres: String::new(),
            nginx: String::new(),
            redis: String::new(),
        },
        web: Web {
            listen: Vec::new(),
            http_port: 80,
            https_port: 443,
            body_limit: Bytes(1),
            login_rate: 30,
        },
        backup: Backup {
            schedule: None,
            drill: None,
            gentle: false,
            keep: Keep::default(),
            age: BackupAge {
                made: Seconds(0),
                offsite: Seconds(0),
                proven: Seconds(0),
            },
            offsite: None,
        },
        capacity: Capacity {
            cores: None,
            memory: None,
            reserve_environments: 2,
        },
        editions: [].into(),
        environments: [].into(),
    }
}
