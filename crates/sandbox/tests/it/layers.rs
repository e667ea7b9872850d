//! The workspace's layer, used oddly: what a program deletes, replaces, renames, links or makes too large stays in the
//! layer, and is listed as what it is. Each script does the same to a plain folder without a sandbox, to be seen there.

use std::fs;
use std::path::Path;
use std::process::Command;

use sandbox::{Changes, Kind, Mode, Sink, Stdin, Stream, Workspace};

use crate::rig::{As, Place, everyone, is_root, sh};

#[derive(Default)]
struct Heard(Vec<u8>);

impl Sink for Heard {
    fn printed(&mut self, _: Stream, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

fn fill(path: &Path) {
    fs::create_dir_all(path.join("dir/sub")).unwrap();
    for (name, text) in [("file", "one"), ("other", "two"), ("dir/inner", "three"), ("dir/sub/deep", "four")]
    {
        fs::write(path.join(name), text).unwrap();
    }
}

/// Every file with what is in it.
fn told(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let at = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(at);
            } else {
                let name = at.strip_prefix(path).unwrap().display().to_string();
                let text = fs::read(&at).unwrap();
                found.push(format!("{name}: {}", String::from_utf8_lossy(&text[..text.len().min(20)])));
            }
        }
    }
    found.sort();
    found
}

/// What a script leaves of the folder once its changes are carried over; and with nothing carried over, as it was.
fn leaves(script: &str) -> (Vec<String>, Vec<(String, Kind)>) {
    let place = Place::new();
    let who = if is_root() { As::Root } else { As::Nobody };
    let path = place.workspace(who);
    fill(&path);
    let before = told(&path);
    let mut spec = sh(who, script);
    spec.cwd.clone_from(&path);
    spec.workspace = Some(Workspace { path: path.clone(), mode: Mode::Overlay });
    let mut heard = Heard::default();
    let ran = sandbox::run(&spec, Some(place.program.clone()), Stdin::Empty, &mut heard);
    let ran = ran.unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(ran.ended.code, Some(0), "{}", String::from_utf8_lossy(&heard.0));
    assert_eq!(told(&path), before, "the folder itself was changed");
    let changes = Changes::read(ran.upper.unwrap(), &path, &[]).unwrap();
    let list = changes.list.iter().map(|it| (it.path.display().to_string(), it.kind)).collect();
    let left = changes.commit(&|change| change.held.is_none());
    assert!(left.is_empty(), "{left:?}");
    let carried = told(&path);
    // The control arm: the same script, on a folder that nothing stands before.
    let bare = place.dir.join("bare");
    fill(&bare);
    assert!(Command::new("sh").args(["-c", script]).current_dir(&bare).status().unwrap().success());
    assert_ne!(told(&bare), before, "the script does nothing");
    assert_eq!(carried, told(&bare), "what was carried over is not what the program made");
    (carried, list)
}

#[test]
fn what_is_deleted_and_made_again_is_one_change() {
    let (carried, list) = leaves("rm file; echo new > file; rm other; mkdir other; echo x > other/in");
    assert!(carried.contains(&"file: new\n".to_owned()));
    assert!(list.contains(&("file".to_owned(), Kind::Changed)), "{list:?}");
}

#[test]
fn a_folder_that_replaces_another_hides_what_was_in_it() {
    let (carried, list) = leaves("rm -r dir; mkdir dir; echo fresh > dir/fresh");
    assert!(!carried.iter().any(|it| it.contains("inner")), "{carried:?}");
    assert!(list.contains(&("dir/inner".to_owned(), Kind::Deleted)), "{list:?}");
    leaves("rm -r dir; echo now-a-file > dir");
}

#[test]
fn a_folder_of_the_host_can_be_renamed_and_is_copied() {
    leaves("mv dir moved && echo more >> moved/inner && mv moved/sub up");
}

#[test]
fn hard_links_across_the_layers_are_files_of_their_own() {
    let (carried, _) = leaves("ln file linked; echo changed > linked; ln dir/inner dir/twin; rm dir/inner");
    assert!(carried.contains(&"linked: changed\n".to_owned()), "{carried:?}");
}

/// A file of the host that is larger than the layer: to change it would copy it.
#[test]
fn a_file_too_large_for_the_layer_cannot_be_changed() {
    let place = Place::new();
    for who in everyone() {
        let path = place.workspace(who);
        fs::write(path.join("large"), vec![7; 24 << 20]).unwrap();
        fs::set_permissions(path.join("large"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let mut spec =
            sh(who, "echo x >> large; echo $?; head -c 40000000 /dev/zero > more; ls -s more | cut -c1-2");
        spec.cwd.clone_from(&path);
        spec.workspace = Some(Workspace { path: path.clone(), mode: Mode::Overlay });
        spec.limits.disk = 16 << 20;
        let ran = place.run(who, &spec);
        assert!(ran.err().contains("No space left") && !ran.out().starts_with('0'), "{who:?} {ran:?}");
        assert_eq!(fs::metadata(path.join("large")).unwrap().len(), 24 << 20);
        assert!(!path.join("more").exists());
    }
}
