//! Saving what a job made.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

use crate::client::Client;

use super::{Failure, out};

/// The kinds of files that are what a media job was submitted for.
const KINDS: [&str; 2] = ["video", "image"];

/// Refuses a place where nothing can be saved: better before a job is paid for than after it.
///
/// # Errors
/// When it is a folder, or in none.
pub(super) fn check(output: &Path) -> Result<(), Failure> {
    let shown = output.display();
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    if output.is_dir() || output.file_name().is_none() {
        return Err(Failure::bad_input(format!("{shown} is a folder; name the file to save")));
    }
    match folder {
        Some(folder) if !folder.is_dir() => {
            let folder = folder.display();
            Err(Failure::bad_input(format!("there is no folder {folder} to save {shown} in")))
        }
        _ => Ok(()),
    }
}

/// Saves the videos and images of a job that is complete, the first one under the name itself.
///
/// # Errors
/// When there are none, or one cannot be fetched or written.
pub(super) async fn files(client: &Client, job: &str, output: &Path) -> Result<(), Failure> {
    let view = client.job(job).await?;
    let artifacts = view.rest.get("artifacts").and_then(|list| list.as_array());
    let urls: Vec<_> = artifacts
        .into_iter()
        .flatten()
        .filter(|file| file["kind"].as_str().is_some_and(|kind| KINDS.contains(&kind)))
        .filter_map(|file| file["url"].as_str())
        .collect();
    if urls.is_empty() {
        let message = format!("{job} made no video and no image to save");
        return Err(Failure { message, code: 1 });
    }
    for (index, url) in urls.into_iter().enumerate() {
        let path = numbered(output, index);
        let bytes = file(client, url, &path).await?;
        out::note(&format!("saved {} ({})", path.display(), out::size(bytes)));
    }
    Ok(())
}

/// Fetches a file to its place, where it is only once it is whole; tells its size in bytes.
async fn file(client: &Client, url: &str, path: &Path) -> Result<u64, Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let fetched = fetch(client, url, &part).await;
    let moved = match fetched {
        Ok(bytes) => fs::rename(&part, path).await.map(|()| bytes).map_err(|e| unwritten(path, &e)),
        Err(failure) => Err(failure),
    };
    if moved.is_err() {
        fs::remove_file(&part).await.ok();
    }
    moved
}

async fn fetch(client: &Client, url: &str, part: &Path) -> Result<u64, Failure> {
    let mut download = client.download(url).await?;
    let mut file = File::create(part).await.map_err(|error| unwritten(part, &error))?;
    let mut bytes = 0;
    while let Some(chunk) = download.next().await? {
        file.write_all(&chunk).await.map_err(|error| unwritten(part, &error))?;
        bytes += chunk.len() as u64;
    }
    file.sync_all().await.map_err(|error| unwritten(part, &error))?;
    Ok(bytes)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure { message: format!("{} cannot be written: {error}", path.display()), code: 1 }
}

/// `kite.png`, `kite-2.png`, `kite-3.png`.
fn numbered(output: &Path, index: usize) -> PathBuf {
    if index == 0 {
        return output.to_owned();
    }
    let mut name = output.file_stem().map_or_else(OsString::new, OsString::from);
    name.push(format!("-{}", index + 1));
    if let Some(ending) = output.extension() {
        name.push(".");
        name.push(ending);
    }
    output.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_files_get_a_number_in_front_of_their_ending() {
        let names = |output: &str| {
            [0, 1, 2].map(|index| numbered(Path::new(output), index).display().to_string())
        };
        assert_eq!(names("a/kite.png"), ["a/kite.png", "a/kite-2.png", "a/kite-3.png"]);
        assert_eq!(names("kite"), ["kite", "kite-2", "kite-3"]);
    }

    #[test]
    fn a_place_that_cannot_be_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        check(&folder.path().join("kite.mp4")).unwrap();
        check(Path::new("kite.mp4")).unwrap();
        for wrong in [folder.path().to_owned(), folder.path().join("nowhere/kite.mp4")] {
            assert_eq!(check(&wrong).unwrap_err().code, 2, "{}", wrong.display());
        }
    }
}
