//! Files that run later, outside: written by a run, executed by whoever opens the folder next.
//!
//! Answerable for the list. Compared without regard to case: some file systems have none.

use std::path::Path;

/// Names of files that shells, tools, editors and agents read or execute without being asked.
const FILES: &[(&str, &str)] = &[
    (".bashrc", SHELL),
    (".bash_profile", SHELL),
    (".bash_login", SHELL),
    (".bash_logout", SHELL),
    (".bash_aliases", SHELL),
    (".profile", SHELL),
    (".zshrc", SHELL),
    (".zshenv", SHELL),
    (".zprofile", SHELL),
    (".zlogin", SHELL),
    (".zlogout", SHELL),
    (".cshrc", SHELL),
    (".tcshrc", SHELL),
    (".inputrc", SHELL),
    (".envrc", SHELL),
    (".gitconfig", GIT),
    (".gitattributes", GIT),
    (".gitmodules", GIT),
    (".npmrc", SETTINGS),
    (".yarnrc", SETTINGS),
    (".yarnrc.yml", SETTINGS),
    (".pnpmfile.cjs", SETTINGS),
    (".pypirc", SETTINGS),
    ("pip.conf", SETTINGS),
    ("sitecustomize.py", SETTINGS),
    ("usercustomize.py", SETTINGS),
    (".pre-commit-config.yaml", SETTINGS),
    (".mcp.json", AGENT),
    ("claude.md", AGENT),
    ("agents.md", AGENT),
    ("gemini.md", AGENT),
    (".cursorrules", AGENT),
    (".gitlab-ci.yml", CI),
    ("portcullis.yaml", GATE),
    ("portcullis.yml", GATE),
];

/// Names of folders of which everything is held back.
const FOLDERS: &[(&str, &str)] = &[
    (".claude", AGENT),
    (".codex", AGENT),
    (".cursor", AGENT),
    (".gemini", AGENT),
    (".agents", AGENT),
    (".vscode", EDITOR),
    (".idea", EDITOR),
    (".husky", GIT),
    (".direnv", SHELL),
    (".circleci", CI),
    (".cargo", SETTINGS),
    (".ssh", SETTINGS),
    (".gnupg", SETTINGS),
    (".config", SETTINGS),
    (".portcullis", GATE),
];

/// What of a git folder is data and never executed.
const GIT_DATA: &[&str] = &[
    "objects",
    "refs",
    "logs",
    "index",
    "head",
    "orig_head",
    "fetch_head",
    "commit_editmsg",
    "packed-refs",
    "merge_head",
    "merge_msg",
    "merge_mode",
    "auto_merge",
    "rebase-merge",
    "description",
    "index.lock",
    "head.lock",
    "gc.log",
    "shallow",
    "branches",
];

const SHELL: &str = "a shell executes it";
const GIT: &str = "git can execute what it names";
const SETTINGS: &str = "tools obey it without being asked";
const AGENT: &str = "agents obey it";
const EDITOR: &str = "an editor can execute what it names";
const CI: &str = "a build server executes it";
const GATE: &str = "the gate obeys it";

/// True of what is guarded where changes happen at once: all that is held back but hooks of folders that merely may be
/// repositories, since programs have folders of that name, too.
pub fn runs_later(path: &Path) -> bool {
    let hook = path.parent().and_then(Path::file_name).is_some_and(|it| it == "hooks");
    let mut parts = path.components().map(|it| it.as_os_str());
    // A name that is no plain text is held back from a review; it runs no more than others.
    let plain = path.to_str().is_some_and(|text| !text.chars().any(char::is_control));
    plain && why(path).is_some() && (!hook || parts.any(|part| part.eq_ignore_ascii_case(".git")))
}

/// Why a path is held back, if it is.
pub fn why(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        let Some(text) = part.as_os_str().to_str() else { return Some("its name is not UTF-8".to_owned()) };
        if text.chars().any(char::is_control) {
            return Some("its name has control characters".to_owned());
        }
        parts.push(text.to_lowercase());
    }
    let folder = parts.iter().find_map(|part| named(FOLDERS, part));
    let file = parts.last().and_then(|last| named(FILES, last));
    folder.or(file).or_else(|| git(&parts)).or_else(|| workflows(&parts)).map(str::to_owned)
}

fn named(list: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    list.iter().find(|(it, _)| *it == name).map(|(_, why)| *why)
}

/// In a git folder, and in one that lies about being none (a bare repository in the tree), only data gets through.
fn git(parts: &[String]) -> Option<&'static str> {
    if let Some(at) = parts.iter().position(|part| part == ".git") {
        let Some(next) = parts.get(at + 1) else {
            // A new folder is empty; a file would name another folder. Both are told apart by whoever lists them.
            return Some(GIT);
        };
        return if GIT_DATA.contains(&next.as_str()) { None } else { Some(GIT) };
    }
    let last = parts.last()?;
    let parent = parts.len().checked_sub(2).and_then(|at| parts.get(at));
    let hook = parent.is_some_and(|it| it == "hooks" || it == ".githooks");
    (hook || (last == "config.worktree")).then_some(GIT)
}

fn workflows(parts: &[String]) -> Option<&'static str> {
    let at = parts.iter().position(|part| part == ".github")?;
    matches!(parts.get(at + 1).map(String::as_str), Some("workflows" | "actions")).then_some(CI)
}

#[cfg(test)]
mod tests {
    use super::why;
    use std::path::Path;

    #[test]
    fn what_runs_later_is_held_back_and_sources_are_not() {
        let held = [
            ".git/hooks/pre-commit",
            "sub/.git/config",
            ".GIT/hooks/x",
            ".git",
            ".bashrc",
            "a/.envrc",
            ".vscode/tasks.json",
            ".github/workflows/ci.yml",
            "bare/hooks/post-update",
            ".claude/settings.json",
            "CLAUDE.md",
            "portcullis.yaml",
            "a\nb",
        ];
        for path in held {
            assert!(why(Path::new(path)).is_some(), "{path}");
        }
        for path in
            ["src/main.rs", "Makefile", ".git/objects/ab/cd", ".git/index", ".github/README.md", "hooks.py"]
        {
            assert!(why(Path::new(path)).is_none(), "{path}");
        }
    }
}
