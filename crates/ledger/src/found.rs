//! Answerable for a ledger's beginning and its key: founding a new one in one step that a crash cannot leave half done,
//! and never taking a lost ledger for a new one. Does not judge records.

use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::checkpoint::Signer;
use crate::fault::Fault;
use crate::hash;
use crate::schema::{self, beside};

/// Makes sure that a ledger is at `path`, founding one where neither it nor its key ever was, and hands out the key
/// that signs it. `given` stands for a key that is kept elsewhere: then no key file is read or written.
pub fn prepare(path: &Path, given: Option<Signer>) -> Result<Signer, Fault> {
    let folder = folder_of(path);
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    }
    // Programs that start together must not both found: the folder itself is the lock, so nothing is left behind.
    let lock = File::open(&folder)?;
    lock.lock()?;

    let fresh = beside(path, ".new");
    let key_path = beside(path, ".key");
    let kept = if given.is_some() { None } else { read_key(&key_path)? };
    let length = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(Fault::NotALedger("it is a folder".into())),
        Ok(found) => Some(found.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    match (given, kept, length) {
        (_, _, Some(0)) => Err(Fault::NotALedger(format!("`{}` is empty", path.display()))),
        (Some(signer), _, Some(_)) | (None, Some(signer), Some(_)) => Ok(signer),
        (None, None, Some(_)) => Err(without_key(path, &key_path)),
        // The key was written and the file waits beside it under its first name: a crash came between.
        (None, Some(signer), None) if fresh.exists() => finish(&fresh, path, &lock).map(|()| signer),
        (None, Some(_), None) => Err(Fault::corrupt(
            None,
            format!("`{}` is gone while its key `{}` is there", path.display(), key_path.display()),
        )),
        (given, None, None) | (given @ Some(_), Some(_), None) => found(path, given, &lock),
    }
}

fn found(path: &Path, given: Option<Signer>, folder: &File) -> Result<Signer, Fault> {
    for leftover in ["-wal", "-shm", "-journal"] {
        let leftover = beside(path, leftover);
        if leftover.exists() {
            // SQLite would play it into the new file.
            return Err(Fault::corrupt(
                None,
                format!("`{}` is gone, but `{}` is left of it", path.display(), leftover.display()),
            ));
        }
    }
    let keep_key = given.is_none();
    let signer = match given {
        Some(signer) => signer,
        None => new_signer()?,
    };
    let fresh = beside(path, ".new");
    for stale in [fresh.clone(), beside(&fresh, "-wal"), beside(&fresh, "-shm"), beside(&fresh, "-journal")] {
        match fs::remove_file(stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    new_file(&fresh)?;
    let note = signer.sign(0, &hash::empty_root(), &hash::FIRST_LINK);
    schema::create(&fresh, &signer.vkey().to_string(), &note)?;
    File::open(&fresh)?.sync_all()?;
    if keep_key {
        let mut file = new_file(&beside(path, ".key"))?;
        file.write_all(signer.to_private_text().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
    }
    finish(&fresh, path, folder)?;
    Ok(signer)
}

fn finish(fresh: &Path, path: &Path, folder: &File) -> Result<(), Fault> {
    folder.sync_all()?;
    fs::rename(fresh, path)?;
    folder.sync_all()?;
    Ok(())
}

fn new_file(path: &Path) -> Result<File, Fault> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => Fault::ReadOnly,
        _ => error.into(),
    })
}

/// A new key under a new name: `portcullis/` and 16 random hex digits.
fn new_signer() -> Result<Signer, Fault> {
    let (mut secret, mut name) = ([0_u8; 32], [0_u8; 8]);
    for bytes in [secret.as_mut_slice(), name.as_mut_slice()] {
        getrandom::fill(bytes).map_err(|error| Fault::Io(format!("no randomness to make a key: {error}")))?;
    }
    let origin = format!("portcullis/{}", hash::hex(&name));
    Signer::new(&origin, &secret).map_err(|flaw| Fault::Key(flaw.to_string()))
}

fn read_key(path: &Path) -> Result<Option<Signer>, Fault> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::Key(format!("`{}` cannot be read ({error})", path.display()))),
    };
    let unreadable = |why: &str| Fault::Key(format!("`{}` {why}", path.display()));
    let about = file.metadata()?;
    if !about.is_file() || about.len() > 4096 {
        return Err(unreadable("is not a key file: restore it from a backup"));
    }
    if about.mode() & 0o077 != 0 {
        return Err(unreadable("is open to other users: check who read it, then run `chmod 600` on it"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|_| unreadable("is not text: restore it from a backup"))?;
    let signer = Signer::parse(text.strip_suffix('\n').unwrap_or(&text));
    signer.map(Some).map_err(|flaw| unreadable(&format!("is damaged ({flaw}): restore it from a backup")))
}

fn without_key(path: &Path, key_path: &Path) -> Fault {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
    match read {
        Err(error) => error.into(),
        Ok(_) if start != b"SQLite format 3\0" => {
            Fault::NotALedger("its contents are not an SQLite database".into())
        }
        Ok(_) => Fault::Key(format!("`{}` is missing: restore it from a backup", key_path.display())),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}
