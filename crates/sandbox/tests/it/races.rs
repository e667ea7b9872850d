//! Somebody outside swaps a folder for a symlink, as fast as can be, while the gate opens, shows and carries over.
//! Nothing lands or is read outside. The control arm shows that the race is one: by plain paths it is lost.

use std::ffi::CString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use sandbox::beneath::Folder;
use sandbox::{Changes, Sink, Stdin, Stream};

use crate::rig::{As, Place, is_root, sh};

/// How often each thing is tried while the names are swapped.
const ROUNDS: usize = 10_000;

/// A folder `ws` in which `dir` is now a folder and now a symlink to `outside`.
struct Swapped {
    ws: PathBuf,
    outside: PathBuf,
    over: Arc<AtomicBool>,
    swapping: Option<JoinHandle<u64>>,
}

impl Swapped {
    fn in_(place: &Place) -> Self {
        let (ws, outside) = (place.dir.join("ws"), place.dir.join("outside"));
        for folder in [&ws, &outside, &ws.join("dir")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(ws.join("dir/file"), "inside").unwrap();
        fs::write(outside.join("file"), "OUTSIDE").unwrap();
        symlink(&outside, ws.join("link")).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (to, link, dir) = (outside.clone(), ws.join("link"), ws.join("dir"));
        let (until, a, b) = (Arc::clone(&over), text(&ws.join("dir")), text(&ws.join("link")));
        let swapping = std::thread::spawn(move || {
            let mut swaps = 0;
            while !until.load(Ordering::Relaxed) {
                // SAFETY: both paths live through the call.
                let done = unsafe {
                    libc::renameat2(
                        libc::AT_FDCWD,
                        a.as_ptr(),
                        libc::AT_FDCWD,
                        b.as_ptr(),
                        libc::RENAME_EXCHANGE,
                    )
                };
                swaps += u64::from(done == 0);
                // What was carried over may have replaced one of the two: then it is made again.
                if done != 0 && symlink(&to, &link).is_err() {
                    let _either = fs::create_dir(&dir);
                }
            }
            swaps
        });
        Self { ws, outside, over, swapping: Some(swapping) }
    }

    /// Ends the swapping: how often there was any.
    fn end(&mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.swapping.take().unwrap().join().unwrap()
    }

    fn touched(&self) -> bool {
        fs::read_dir(&self.outside).unwrap().count() != 1
            || fs::read_to_string(self.outside.join("file")).unwrap() != "OUTSIDE"
    }
}

fn text(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}

#[test]
fn by_plain_paths_the_race_is_lost() {
    let place = Place::new();
    let mut swapped = Swapped::in_(&place);
    let mut got_out = false;
    let start = std::time::Instant::now();
    while !got_out && start.elapsed().as_secs() < 30 {
        let path = swapped.ws.join("dir");
        // What looks and then writes by name.
        if fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir()) {
            let _either = fs::write(path.join("planted"), "x");
        }
        got_out |= swapped.outside.join("planted").exists();
    }
    swapped.end();
    assert!(got_out, "nobody lost: the attack is none");
}

#[test]
fn file_tools_stay_in_their_folder() {
    let place = Place::new();
    let mut swapped = Swapped::in_(&place);
    let folder = Folder::open(&swapped.ws).unwrap();
    let mut read = 0;
    for n in 0..ROUNDS {
        if let Ok((bytes, _)) = folder.read(Path::new("dir/file"), 0, 64) {
            assert_eq!(bytes, b"inside");
            read += 1;
        }
        let _either = folder.write(Path::new(&format!("dir/new{}", n % 8)), b"x");
    }
    assert!(swapped.end() > 100 && read > 0, "{read}");
    assert!(!swapped.touched());
}

#[test]
fn changes_are_carried_over_within_the_workspace() {
    let place = Place::new();
    let upper = place.dir.join("upper");
    fs::create_dir_all(upper.join("dir/deep")).unwrap();
    fs::write(upper.join("dir/planted"), "x").unwrap();
    fs::write(upper.join("dir/deep/planted"), "x").unwrap();
    let mut swapped = Swapped::in_(&place);
    let mut carried = 0;
    for _ in 0..ROUNDS / 10 {
        let layer = OwnedFd::from(fs::File::open(&upper).unwrap());
        let Ok(changes) = Changes::read(layer, &swapped.ws, &[]) else { continue };
        carried += usize::from(changes.commit(&|_| true).len() < changes.list.len());
    }
    assert!(swapped.end() > 100 && carried > 0, "{carried}");
    assert!(!swapped.touched());
}

struct Silent(Vec<u8>);

impl Sink for Silent {
    fn printed(&mut self, _: Stream, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

/// A path that is a symlink when it is opened is none that can be shown.
#[test]
fn what_is_shown_inside_is_never_what_a_link_leads_to() {
    let place = Place::new();
    let mut swapped = Swapped::in_(&place);
    let who = if is_root() { As::Root } else { As::Nobody };
    let (mut shown, mut refused) = (0, 0);
    for _ in 0..60 {
        let mut spec = sh(who, &format!("cat {}/dir/file", swapped.ws.display()));
        spec.read.push(swapped.ws.join("dir"));
        let mut heard = Silent(Vec::new());
        match sandbox::run(&spec, Some(place.program.clone()), Stdin::Empty, &mut heard) {
            Ok(_) => {
                assert_eq!(String::from_utf8_lossy(&heard.0), "inside");
                shown += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(swapped.end() > 100 && shown + refused == 60, "{shown} {refused}");
}
