//! A workspace that is written in place: what runs later, outside, cannot be changed, and what is made of the kind
//! does not stay. Each attempt is made once without a sandbox, where it works.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::{Guarantee, Mode, Spec, Workspace};

use crate::rig::{As, NOBODY, Place, everyone, is_root, sh};

const THERE: [&str; 8] = [
    ".git/hooks/pre-commit",
    ".git/config",
    ".bashrc",
    "sub/.envrc",
    ".vscode/settings.json",
    "conf/gate.yaml",
    ".github/workflows/ci.yml",
    "src/hooks/use.ts",
];

fn fill(path: &Path, who: As) {
    for file in THERE {
        fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
        fs::write(path.join(file), "before").unwrap();
    }
    if who == As::Nobody && is_root() {
        let owner = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(path).status().unwrap().success());
    }
}

fn in_place(path: &Path, who: As, script: &str) -> Spec {
    let mut run = sh(who, script);
    path.clone_into(&mut run.cwd);
    run.workspace = Some(Workspace { path: path.to_owned(), mode: Mode::Direct });
    run.own = vec![path.join("conf/gate.yaml")];
    run.accept_missing.push(Guarantee::Disk);
    run
}

fn unchanged(path: &Path) -> Vec<&'static str> {
    let same = |file: &&str| fs::read_to_string(path.join(file)).is_ok_and(|text| text == "before");
    THERE.into_iter().filter(same).collect()
}

#[test]
fn what_runs_later_is_not_changed() {
    let attempts = [
        "for f in $FILES; do echo evil > $f; done",
        "for f in $FILES; do echo evil >> $f; done",
        "for f in $FILES; do rm -f $f; done",
        "for f in $FILES; do echo evil > new; mv -f new $f; done",
        "for f in $FILES; do ln -sf /tmp/x $f; done",
        "for f in $FILES; do truncate -s 0 $f; done",
        // Other folders at their places.
        "for d in sub conf .git .github .vscode src; do mv $d moved-$d; mkdir $d; done; for f in $FILES; do mkdir -p $(dirname $f); echo evil > $f; done",
        "rm -rf .git .github .vscode sub conf src; for f in $FILES; do mkdir -p $(dirname $f); echo evil > $f; done",
    ];
    for attempt in attempts {
        let script = format!("FILES='{}'; ({attempt}) 2>/dev/null; true", THERE.join(" "));
        for who in everyone() {
            let place = Place::new();
            let path = place.workspace(who);
            fill(&path, who);
            let ran = place.run(who, &in_place(&path, who, &script));
            assert_eq!(ran.code(), Some(0), "{attempt} {who:?} {ran:?}");
            // Folders called hooks are not git's everywhere.
            assert_eq!(unchanged(&path), THERE[..7], "{attempt} {who:?} {ran:?}");
        }
        let bare = Place::new();
        fill(&bare.dir, As::Root);
        Command::new("sh").args(["-c", &script]).current_dir(&bare.dir).status().unwrap();
        assert_eq!(unchanged(&bare.dir), [""; 0], "{attempt}: it does not work without a sandbox either");
    }
}

#[test]
fn what_is_made_of_the_kind_is_taken_away_and_told() {
    let place = Place::new();
    for who in everyone() {
        let path = place.workspace(who);
        fill(&path, who);
        let script = "echo x > .envrc; mkdir -p new/.vscode && echo x > new/.vscode/tasks.json; echo x > new/plain; \
            echo x > CLAUDE.md; mkdir -p bare/hooks bare/objects bare/refs && echo x > bare/HEAD && echo x > bare/hooks/post-update; \
            echo x > src/hooks/more.ts; (echo x > .git/hooks/post-commit) 2>/dev/null; echo x > .git/index";
        let ran = place.run(who, &in_place(&path, who, script));
        assert_eq!(ran.code(), Some(0), "{who:?} {ran:?}");
        for gone in [".envrc", "new/.vscode", "CLAUDE.md", "bare/hooks", ".git/hooks/post-commit"] {
            assert!(!path.join(gone).exists(), "{gone} {who:?} {ran:?}");
        }
        for stays in ["new/plain", "src/hooks/more.ts", ".git/index", "bare/HEAD"] {
            assert!(path.join(stays).exists(), "{stays} {who:?} {ran:?}");
        }
        let told: Vec<PathBuf> =
            ran.json["undone"].as_array().unwrap().iter().map(|it| it[0].as_str().unwrap().into()).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told.contains(&path.join(".envrc")), "{told:?}");
    }
}

#[test]
fn folders_of_write_are_guarded_and_a_file_that_is_listed_is_meant() {
    let place = Place::new();
    for who in everyone() {
        let path = place.workspace(who);
        fill(&path, who);
        let script = format!(
            "cd {}; (echo evil > .bashrc) 2>/dev/null || echo no; echo y > made; cat made",
            path.display()
        );
        let mut run = sh(who, &script);
        run.write = vec![path.clone()];
        run.accept_missing.push(Guarantee::Disk);
        let ran = place.run(who, &run);
        assert_eq!(ran.out(), "no\ny\n", "{who:?} {ran:?}");
        let mut run = sh(who, &format!("echo meant > {}/.bashrc", path.display()));
        run.write = vec![path.join(".bashrc")];
        run.accept_missing.push(Guarantee::Disk);
        assert_eq!(place.run(who, &run).code(), Some(0));
        assert_eq!(fs::read_to_string(path.join(".bashrc")).unwrap(), "meant\n");
    }
}

#[test]
fn git_works_in_place() {
    if !Path::new("/usr/bin/git").exists() {
        println!("SKIPPED: git, which is not installed");
        return;
    }
    let place = Place::new();
    for who in everyone() {
        let path = place.workspace(who);
        assert!(Command::new("git").args(["init", "-q"]).arg(&path).status().unwrap().success());
        if who == As::Nobody && is_root() {
            let owner = format!("{NOBODY}:{NOBODY}");
            assert!(Command::new("chown").args(["-R", &owner]).arg(&path).status().unwrap().success());
        }
        let script = "mkdir d && echo a > d/a && git add . && git -c user.name=a -c user.email=a@example.com commit -qm first \
            && git mv d e && git -c user.name=a -c user.email=a@example.com commit -qam second && git log --format=%s";
        let ran = place.run(who, &in_place(&path, who, script));
        assert_eq!(ran.out(), "second\nfirst\n", "{who:?} {ran:?}");
    }
}
