//! Images of the containers: found or pulled once, then pinned; the gate's is made from this program.
mod carried;
mod copies;
mod newer;

pub(crate) use carried::Carried;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{Built, Image, ImagePin, PYTHON};
use odoopack_core::target::GATE_PART;

use super::Apply;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::{self, containers};
use crate::release;
use crate::release::image::Found;
use crate::store::marks;
use crate::tools::{docker, ldd};
use crate::ui::Progress;

/// Asks an image of Odoo what it holds; printed as JSON.
const ASK_ODOO: &str = "import importlib.util, json, os, sys, odoo, odoo.release
homes = [os.path.abspath(p) for p in odoo.__path__]
places = [os.path.join(h, 'addons') for h in homes] + [os.path.join(os.path.dirname(h), 'addons') for h in homes]
python = [m for m in sys.argv[1:] if importlib.util.find_spec(m)]
print(json.dumps({'version': odoo.release.version_info[0], 'python': python, 'places': [p for p in dict.fromkeys(places) if os.path.isdir(p)]}))";

/// Links lead to other packages of the image, so what they name is copied.
const COPY_STATICS: &str = r#"set -e
for place; do
  cd "$place"
  for static in */static; do
    [ -d "$static" ] && [ ! -e "/statics/$static" ] || continue
    mkdir -p "/statics/${static%/*}"
    cp -rL "$static" "/statics/$static"
  done
done"#;

/// One directory for each place, by number.
const COPY_MANIFESTS: &str = "import glob, os, shutil, sys
for number, place in enumerate(sys.argv[1:]):
    os.makedirs('/manifests/%d' % number)
    for found in glob.glob(os.path.join(glob.escape(place), '*', '__manifest__.py')):
        to = '/manifests/%d/%s' % (number, os.path.basename(os.path.dirname(found)))
        os.mkdir(to)
        shutil.copyfile(found, to + '/__manifest__.py')";

/// The same for what makes a database harmless.
const COPY_NEUTRALIZERS: &str = "import glob, os, shutil, sys
for number, place in enumerate(sys.argv[1:]):
    os.makedirs('/neutralize/%d' % number)
    for found in glob.glob(os.path.join(glob.escape(place), '*', 'data', 'neutralize.sql')):
        module = os.path.basename(os.path.dirname(os.path.dirname(found)))
        shutil.copyfile(found, '/neutralize/%d/%s.sql' % (number, module))";

/// What [`ASK_ODOO`] prints.
#[derive(serde::Deserialize)]
struct OdooAnswer {
    version: u16,
    python: Vec<String>,
    places: Vec<Utf8PathBuf>,
}

impl Apply<'_> {
    pub(super) fn get_image(&self, part: &str, name: &str, progress: &Progress) -> Result<()> {
        if let Some(lost) = self.facts.containers.images.get(part)
            && lost.digest() == Some(name)
        {
            return self.get_again(part, lost, progress);
        }
        let locked = self.facts.containers.locked.as_ref().filter(|_| part == "odoo");
        let found = match locked {
            Some(locked) => release::image::bring(&locked.pin, progress)?,
            None => release::image::get(name, progress)?,
        };
        self.pin(part, name, (found, None), progress)
    }

    /// Gets an image that Docker lost, not what its name stands for by now.
    fn get_again(&self, part: &str, lost: &Image, progress: &Progress) -> Result<()> {
        let digest = lost.digest().map(str::to_owned);
        let pin = ImagePin {
            id: lost.pinned.clone(),
            digest: digest.clone(),
        };
        let found = Found {
            digest,
            ..release::image::bring(&pin, progress)?
        };
        self.pin(part, &lost.wanted, (found, None), progress)
    }

    /// The `Dockerfile` of Odoo's image with the Python packages of the lock.
    pub(crate) fn image_text(&self) -> Result<String> {
        self.adding().text(&self.lock()?)
    }

    fn adding(&self) -> release::image_python::Adding<'_> {
        release::image_python::Adding {
            spec: self.spec,
            layout: self.layout,
            repo: &self.repo,
            cache: &self.cache,
        }
    }

    /// Adds the Python packages of the lock to Odoo's image, or finds that somebody did.
    pub(super) fn build_image(&self, name: &str, progress: &Progress) -> Result<()> {
        let (image, built) = self.adding().build(&self.lock()?, progress)?;
        self.pin("odoo", name, (Found::made_here(image), Some(built)), progress)
    }

    /// Asks an image that is here what it holds, and remembers it as what the part is made from.
    fn pin(&self, part: &str, name: &str, found: (Found, Option<Built>), progress: &Progress) -> Result<()> {
        let image = self.asked(part, name, found, progress)?;
        self.repin(part, &image)
    }

    /// Asks an image that is here what it holds.
    ///
    /// # Errors
    /// Kind `Refused` when it cannot be what the part is made from.
    fn asked(
        &self,
        part: &str,
        name: &str,
        (found, built): (Found, Option<Built>),
        progress: &Progress,
    ) -> Result<Image> {
        progress.detail(&format!("asking {name} what it holds"));
        let id = found.image.id;
        let held = holds(part, &id)?;
        let c_library = if part == "postgres" {
            self.c_library(name, &id)?
        } else {
            None
        };
        if part == "odoo" {
            progress.detail("copying its static files for nginx");
            self.copy_statics(&id, &held.places)?;
            self.copy_manifests(&id, &held.places)?;
        }
        Ok(Image {
            wanted: name.to_owned(),
            pinned: found.digest.unwrap_or_else(|| id.clone()),
            id,
            locked: found.locked,
            c_library,
            built,
            ..held
        })
    }

    /// The C library of an image of PostgreSQL, when it may run on the cluster that is here.
    ///
    /// # Errors
    /// Kind `Refused` when the cluster was run with another one.
    fn c_library(&self, name: &str, id: &str) -> Result<Option<String>> {
        let now = observe::library::of(id)?;
        if self.facts.on_disk().next().is_none() {
            return Ok(now);
        }
        let containers = &self.facts.containers;
        let before = match containers.last("postgres") {
            Some(image) => observe::library::of_pinned(image)?,
            None => containers.adopted_library.clone(),
        };
        let adopted = self.spec.postgres.directory.is_some();
        let both = before.as_deref().zip(now.as_deref());
        match both.and_then(|both| odoopack_core::up::another_library(name, both, adopted)) {
            Some(refusal) => Err(Failure::refused(refusal.what).hint(refusal.hint)),
            None => Ok(now),
        }
    }

    /// nginx serves them itself: whatever is in the first of the addons directories wins, as in `addons_path`.
    fn copy_statics(&self, id: &str, places: &[Utf8PathBuf]) -> Result<()> {
        let release = containers::release_id(self.spec.odoo.series, id);
        let copy = ["sh", "-c", COPY_STATICS, "sh"];
        self.copy_out(id, (&self.layout.statics(&release), "/statics"), &copy, places)
    }

    /// What is asked of modules is asked of these: nobody has to start a container for that.
    fn copy_manifests(&self, id: &str, places: &[Utf8PathBuf]) -> Result<()> {
        let release = containers::release_id(self.spec.odoo.series, id);
        let copy = ["python3", "-c", COPY_MANIFESTS];
        self.copy_out(
            id,
            (&self.layout.manifests(&release), "/manifests"),
            &copy,
            places,
        )
    }

    /// Where every `data/neutralize.sql` of the image lies, which are copied out of it when they are first asked for.
    pub(super) fn neutralizers(&self) -> Result<Utf8PathBuf> {
        let image = self.facts.containers.images.get("odoo");
        let image = image.ok_or_else(|| Failure::failed("the image of Odoo is not known"))?;
        let release = containers::release_id(self.spec.odoo.series, &image.id);
        let place = self.layout.neutralizers(&release);
        let copy = ["python3", "-c", COPY_NEUTRALIZERS];
        self.copy_out(&image.pinned, (&place, "/neutralize"), &copy, &image.places)?;
        Ok(place)
    }

    /// Runs a program of the image once that copies from `places` to `inside`, which is `to` when it ended well.
    fn copy_out(
        &self,
        id: &str,
        (to, inside): (&Utf8Path, &str),
        program: &[&str],
        places: &[Utf8PathBuf],
    ) -> Result<()> {
        if to.is_dir() {
            return Ok(());
        }
        let new = to.with_extension("new");
        files::remove_tree(&new)?;
        files::directory_all(&new)?;
        let out = (new.clone(), Utf8PathBuf::from(inside));
        let mut argv: Vec<String> = program.iter().map(ToString::to_string).collect();
        argv.extend(places.iter().map(ToString::to_string));
        docker::once_with(id, &ids(self.facts.host.ids), &[out], &argv).run()?;
        // What is there is believed for good, so it must outlast a power cut.
        files::sync_file_system(&new)?;
        files::rename(&new, to)
    }

    /// The program with the libraries that it is linked to, and nothing else: no shell, no package manager.
    pub(super) fn make_gate_image(&self, name: &str) -> Result<()> {
        let place = self.layout.state().join("gate-image");
        files::remove_tree(&place)?;
        files::directory_all(&place)?;
        let program = &self.target.binary;
        copy(program, &place.join("odoopack"))?;
        for library in ldd::parse(&ldd::libraries(program).read()?) {
            let inside = place.join(library.as_str().trim_start_matches('/'));
            files::directory_all(inside.parent().unwrap_or(&place))?;
            copy(&library, &inside)?;
        }
        let text = "FROM scratch\nCOPY . /\nLABEL org.opencontainers.image.title=\"odoopack gate\"\nENTRYPOINT [\"/odoopack\"]\n";
        files::replace(&place.join("Dockerfile"), text.as_bytes(), 0o644, None)?;
        docker::build(&place, name).run()?;
        let found =
            containers::image(name)?.ok_or_else(|| Failure::failed(format!("there is no image `{name}`")))?;
        self.pin_gate(name, found)?;
        files::remove_tree(&place)
    }

    fn pin_gate(&self, name: &str, found: docker::Image) -> Result<()> {
        let image = Image {
            wanted: name.to_owned(),
            pinned: found.id.clone(),
            id: found.id,
            ..Image::default()
        };
        marks::remember_image(&self.layout.state(), GATE_PART, &image)
    }
}

fn ids((uid, gid): (u32, u32)) -> String {
    format!("{uid}:{gid}")
}

/// The version of the program in an image, and what is where; nothing of the image itself.
fn holds(part: &str, id: &str) -> Result<Image> {
    let strange = |text: &str| {
        Failure::refused(format!("the image for {part} holds no {part} that is known"))
            .because(text.trim().to_owned())
            .hint("correct its name in odoopack.toml")
    };
    if part == "odoo" {
        let ask = [&["-c", ASK_ODOO], PYTHON.as_slice()].concat();
        let text = docker::once(id, "python3", &ask).read()?;
        let answer: OdooAnswer = serde_json::from_str(text.trim()).map_err(|_| strange(&text))?;
        return Ok(Image {
            version: (answer.version, 0, 0),
            python: answer.python,
            places: answer.places,
            ..Image::default()
        });
    }
    // Redis goes by the name that it is called by, which may be a link to another program of its own.
    let script = if part == "redis" {
        "command -v redis-server; redis-server --version".to_owned()
    } else {
        format!("readlink -f \"$(command -v {part})\"; {part} -v 2>&1 || {part} --version")
    };
    let text = docker::once(id, "sh", &["-c", &script]).read()?;
    let (path, rest) = text.split_once('\n').ok_or_else(|| strange(&text))?;
    let path = Utf8PathBuf::from(path);
    let (version, place) = match part {
        "postgres" => (postgres_version(rest), path.parent().map(Utf8Path::to_owned)),
        "redis" => (redis_version(rest), Some(path)),
        _ => (crate::tools::nginx::parse_version(rest), Some(path)),
    };
    match (version, place) {
        (Some(version), Some(place)) => Ok(Image {
            version,
            places: vec![place],
            ..Image::default()
        }),
        _ => Err(strange(&text)),
    }
}

/// Reads `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=...`.
fn redis_version(text: &str) -> Option<(u16, u16, u16)> {
    let (_, rest) = text.split_once(" v=")?;
    let mut numbers = rest.split_whitespace().next()?.split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some((next()?, next()?, next()?))
}

/// Reads `postgres (PostgreSQL) 16.4 (Debian 16.4-1.pgdg120+1)`.
fn postgres_version(text: &str) -> Option<(u16, u16, u16)> {
    let rest = text.split("(PostgreSQL) ").nth(1)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(|major| (major, 0, 0))
}

fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let content =
        std::fs::read(from).map_err(|e| Failure::failed(format!("could not read `{from}`")).because(e))?;
    files::replace(to, &content, 0o755, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_redis_says_of_itself() {
        let text = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=b0d5\n";
        assert_eq!(redis_version(text), Some((7, 0, 15)));
        assert_eq!(redis_version("sh: redis-server: not found\n"), None);
    }

    #[test]
    fn reads_what_a_server_says_of_itself() {
        for (text, wanted) in [
            (
                "postgres (PostgreSQL) 16.4 (Debian 16.4-1.pgdg120+1)\n",
                Some((16, 0, 0)),
            ),
            ("postgres (PostgreSQL) 18beta1\n", Some((18, 0, 0))),
            ("sh: postgres: not found\n", None),
        ] {
            assert_eq!(postgres_version(text), wanted, "{text}");
        }
    }
}
