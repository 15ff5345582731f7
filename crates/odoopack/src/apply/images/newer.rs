//! Newer images under the names of the file: looked for when somebody asks, and pinned instead of the old ones.
use odoopack_core::facts::Image;

use super::Apply;
use crate::failure::{Failure, Result};
use crate::release;
use crate::store::marks;
use crate::ui::Progress;

impl Apply<'_> {
    /// What the registry has now for a part that is pinned; `None`: the same.
    ///
    /// # Errors
    /// Kind `Refused` when it may not run on what the old one left.
    pub(crate) fn newer_image(
        &self,
        part: &str,
        before: &Image,
        progress: &Progress,
    ) -> Result<Option<Image>> {
        let name = &before.wanted;
        let found = release::image::newest(name, progress)?;
        if found.image.id == before.id {
            return Ok(None);
        }
        let image = self.asked(part, name, (found, None), progress)?;
        match another_major(part, before, &image) {
            Some(failure) => Err(failure),
            None => Ok(Some(image)),
        }
    }

    /// Remembers an image as what a part is made from.
    pub(crate) fn repin(&self, part: &str, image: &Image) -> Result<()> {
        marks::remember_image(&self.layout.state(), part, image)?;
        if part == "odoo" {
            self.remove_old_copies(image);
        }
        Ok(())
    }
}

/// Data of one major are not read by another, and a name such as `postgres:latest` comes to mean it one day.
fn another_major(part: &str, before: &Image, now: &Image) -> Option<Failure> {
    let holds_data = matches!(part, "postgres" | "odoo");
    let differs = holds_data && before.version.0 != now.version.0;
    differs.then(|| {
        Failure::refused(format!(
            "`{}` stands for version {} of {part} now, and the data were made by {}",
            now.wanted, now.version.0, before.version.0
        ))
        .hint(format!(
            "name an image of version {} in odoopack.toml, such as `{part}:{}`",
            before.version.0, before.version.0
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_another_major_never_comes_under_data() {
        let image = |major: u16| Image {
            wanted: "postgres:latest".to_owned(),
            version: (major, 0, 0),
            ..Image::default()
        };
        assert!(another_major("postgres", &image(16), &image(16)).is_none());
        assert!(another_major("nginx", &image(1), &image(2)).is_none());
        let failure = another_major("postgres", &image(16), &image(17)).unwrap();
        assert!(
            failure.sentence().contains("version 17"),
            "{}",
            failure.sentence()
        );
    }
}
