//! What can be seen in a text that no grammar reads: programs that destroy, wherever their names stand.
//!
//! A net below the parser. Whatever it finds counts, whatever it does not find is still unknown.

use super::field::{Feed, Field};
use super::walk::Walk;

/// How much of a text is looked at, and in how many commands.
const LONGEST: usize = 1 << 16;
const MOST: usize = 256;

/// Names worth a look.
const NAMES: &[&str] = &[
    "rm",
    "dd",
    "mkfs",
    "shred",
    "wipefs",
    "git",
    "find",
    "chmod",
    "chown",
    "kubectl",
    "terraform",
    "aws",
    "gcloud",
    "az",
    "docker",
    "psql",
    "mysql",
    "redis-cli",
    "mongosh",
    "mongo",
    "dropdb",
    "curl",
    "shutdown",
    "reboot",
    "halt",
    "poweroff",
    "kill",
    "fdisk",
    "parted",
    "sfdisk",
    "truncate",
    "zfs",
    "zpool",
    "lvremove",
    "vgremove",
    "helm",
    "gh",
    "rsync",
    "userdel",
    "crontab",
    "mv",
    "tee",
    "cp",
    "blkdiscard",
    "cryptsetup",
    "swapoff",
    "iptables",
    "nft",
    "systemctl",
    "del",
    "rd",
    "format",
];

/// Adds the effects that destroy, of everything in the text that looks like a command.
pub fn destructive(walk: &mut Walk<'_>, text: &str) {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST).last().unwrap_or(0);
    let text = if text.len() > LONGEST { text.get(..end).unwrap_or_default() } else { text };
    let mut left = MOST;
    for piece in text.split(['\n', '\r', ';', '|', '&', '(', ')', '{', '}', '`', '<']) {
        let words: Vec<Field> = piece
            .split(|it: char| it.is_whitespace())
            .map(|it| it.trim_matches(['"', '\'', '\\', ',']))
            .filter(|it| !it.is_empty())
            .take(64)
            .map(Field::new)
            .collect();
        for (at, word) in words.iter().enumerate() {
            let base = super::call::base(&word.text);
            let name = base.split('.').next().unwrap_or_default();
            if !NAMES.contains(&name) {
                continue;
            }
            if left == 0 {
                return;
            }
            left -= 1;
            look(walk, words.get(at..).unwrap_or_default());
            break;
        }
    }
}

fn look(walk: &mut Walk<'_>, words: &[Field]) {
    let before = walk.out.len();
    walk.apart(|walk| walk.program(words, Feed::Nothing));
    let found = walk.out.split_off(before.min(walk.out.len()));
    walk.out.extend(found.into_iter().filter(|it| it.destroys));
}
