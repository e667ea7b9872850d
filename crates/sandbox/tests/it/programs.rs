//! Real programs with the defaults and a workspace. A program that is not installed is said to be skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::{Mode, Spec, Workspace};

use crate::rig::{As, Place, Ran, everyone, sh};

fn work(place: &Place, who: As, script: &str, change: impl Fn(&mut Spec)) -> Ran {
    let path = place.workspace(who);
    let mut run = sh(who, &format!("set -e\n{script}"));
    run.cwd.clone_from(&path);
    run.workspace = Some(Workspace { path, mode: Mode::Overlay });
    change(&mut run);
    place.run(who, &run)
}

/// Runs a script as everyone, if its program is where runs find programs.
fn with(program: &str, script: &str, expected: &str) {
    if !Path::new("/usr/bin").join(program).exists() && !Path::new("/usr/local/bin").join(program).exists() {
        println!("SKIPPED: {program}, which is not installed");
        return;
    }
    let place = Place::new();
    for who in everyone() {
        let ran = work(&place, who, script, |_| ());
        assert_eq!((ran.out(), ran.code()), (expected, Some(0)), "{program} {who:?} {ran:?}");
    }
}

#[test]
fn bash_pipelines() {
    let script =
        "bash -c 'set -o pipefail; seq 1 1000 | sort -rn | head -1000 | tee out | wc -l; cat <(head -1 out)'";
    with("bash", script, "1000\n1000\n");
}

#[test]
fn git_makes_a_repository_and_commits() {
    let script = "git init -q repo && cd repo && echo a > a && git add a \
        && git -c user.name=a -c user.email=a@example.com commit -qm first && git log --format=%s && git status --short";
    with("git", script, "first\n");
}

#[test]
fn gcc_compiles_and_the_result_runs() {
    let script = "printf '#include <stdio.h>\\nint main(void){puts(\"built\");return 0;}\\n' > a.c && gcc -O1 a.c -o a && ./a";
    with("gcc", script, "built\n");
}

#[test]
fn python_with_processes_loops_threads_and_sqlite() {
    let script = r#"cat > t.py <<'EOF'
import asyncio, multiprocessing, os, pwd, sqlite3, tempfile, threading
def square(n): return n * n
async def main():
    await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(10)))
    p = await asyncio.create_subprocess_exec("echo", "child", stdout=asyncio.subprocess.PIPE)
    return (await p.communicate())[0].decode().strip()
if __name__ == "__main__":
    with multiprocessing.Pool(3) as pool: print(pool.map(square, range(5)))
    print(asyncio.run(main()))
    db = sqlite3.connect("a.db"); db.execute("create table t(x)"); db.execute("insert into t values (7)"); db.commit()
    print(db.execute("select x from t").fetchone()[0])
    t = threading.Thread(target=print, args=("thread",)); t.start(); t.join()
    print(pwd.getpwuid(os.getuid()).pw_name, tempfile.gettempdir())
EOF
python3 t.py"#;
    with("python3", script, "[0, 1, 4, 9, 16]\nchild\n7\nthread\nagent /tmp\n");
}

#[test]
fn node_with_workers_and_child_processes() {
    let script = r#"cat > t.js <<'EOF'
const { Worker, isMainThread, parentPort } = require('worker_threads');
if (isMainThread) {
  console.log(require('child_process').execSync('echo child').toString().trim());
  require('fs').writeFileSync('made', 'x');
  new Worker(__filename).on('message', m => console.log(m));
} else parentPort.postMessage('worker ' + require('crypto').randomBytes(4).length);
EOF
node t.js"#;
    with("node", script, "child\nworker 4\n");
}

/// Cargo from a toolchain in somebody's home: its folder is listed, and nothing else of the home.
#[test]
fn cargo_builds_a_small_crate() {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let Some(sysroot) = sysroot.ok().filter(|it| it.status.success()) else {
        println!("SKIPPED: cargo, which is not installed");
        return;
    };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim()).canonicalize().unwrap();
    let script = "mkdir -p c/src && cd c && printf '[package]\\nname = \"c\"\\nversion = \"0.1.0\"\\nedition = \"2021\"\\n' > Cargo.toml \
        && echo 'fn main() { println!(\"built\"); }' > src/main.rs && cargo build -q --offline && ./target/debug/c";
    let place = Place::new();
    for who in everyone() {
        if who == As::Nobody && sysroot.starts_with("/root") {
            println!("SKIPPED: cargo as nobody, whose toolchain is in a folder that nobody may enter");
            continue;
        }
        let ran = work(&place, who, script, |run| {
            run.read.push(sysroot.clone());
            run.env.push(("PATH".to_owned(), format!("{}/bin:/usr/bin:/bin", sysroot.display())));
            run.env.push(("CARGO_HOME".to_owned(), "/tmp/home/cargo".to_owned()));
            run.limits.memory = 1 << 30;
            run.limits.wall_ms = 120_000;
        });
        assert_eq!(ran.out(), "built\n", "{who:?} {ran:?}");
    }
}
