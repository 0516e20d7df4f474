//! The engine's data: carried in the program, unpacked for one run.

use std::path::{Path, PathBuf};

use crate::Error;

/// The languages whose dictionaries are bundled (features in `Cargo.toml`).
pub(crate) const LANGUAGES: &[&str] = espeak_ng::BUNDLED_LANGUAGES;

/// The bundled tag that `tag` means, as the engine writes it: in lower case,
/// its parts joined by `-`. `None` if its language is not bundled.
///
/// Tags become file names inside the engine, so nothing but letters, digits
/// and the hyphen passes.
pub(crate) fn find_tag(tag: &str) -> Option<String> {
    let tag = tag.to_ascii_lowercase().replace('_', "-");
    let plain = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let language = tag.split('-').next()?;
    (LANGUAGES.contains(&language) && tag.len() <= 35 && tag.split('-').all(plain)).then_some(tag)
}

/// A temporary folder with the data of one language, removed when this value
/// is dropped: after success, after an error and when the program panics.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Unpacks what `tag` (from [`find_tag`]) needs, into a folder of its own
    /// or into `scratch`, which is made here and must not exist.
    ///
    /// # Errors
    /// When the folder exists or cannot be written.
    pub(crate) fn unpack(tag: &str, scratch: Option<&Path>) -> Result<Self, Error> {
        let folder = match scratch {
            Some(path) => {
                std::fs::create_dir(path)?;
                Self(path.to_owned())
            }
            None => Self(tempfile::Builder::new().prefix("tailwater-voice-").tempdir()?.keep()),
        };
        let language = tag.split('-').next().unwrap_or(tag);
        espeak_ng::install_bundled_language(folder.path(), language)?;
        Ok(folder)
    }

    /// Where the data is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // There is nobody left to tell, and the system clears such folders too.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_normalised_and_cannot_leave_the_folder() {
        assert_eq!(find_tag("EN_us").as_deref(), Some("en-us"));
        for bad in ["", "xx", "en/../x", "en-", "en+f3", "en-\u{e9}", "english"] {
            assert_eq!(find_tag(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_folder_is_gone_when_its_run_is_over() {
        let folder = Folder::unpack("en", None).unwrap();
        let path = folder.path().to_owned();
        assert!(path.join("phondata").exists());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_exists_is_neither_used_nor_removed() {
        let parent = tempfile::tempdir().unwrap();
        assert!(Folder::unpack("en", Some(parent.path())).is_err());
        assert!(parent.path().exists());

        let path = parent.path().join("scratch");
        let folder = Folder::unpack("en", Some(&path)).unwrap();
        assert!(path.join("phondata").exists());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn the_folder_is_gone_after_a_panic() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = std::thread::spawn(move || {
            let folder = Folder::unpack("en", None).unwrap();
            sender.send(folder.path().to_owned()).unwrap();
            panic!("the engine stumbles");
        });
        assert!(run.join().is_err());
        assert!(!receiver.recv().unwrap().exists());
    }
}
