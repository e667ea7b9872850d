//! Readers of hostile bytes: any text gives an answer, never a panic; and what is read is what was written.

use ledger::Signer;
use ledger::checkpoint::{Checkpoint, Vkey};
use ledger::proof::{Head, Inclusion, verify_consistency, verify_inclusion};
use ledger::verify::{self, Expect};
use proptest::collection::vec;
use proptest::prelude::*;

fn signer() -> Signer {
    Signer::new("portcullis/00112233aabbccdd", &[7; 32]).unwrap()
}

/// A text with a few characters changed, dropped or put in.
fn mangle(text: &str, edits: &[(usize, u8, u8)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, how, with) in edits {
        let at = at % bytes.len().max(1);
        match how % 3 {
            0 if at < bytes.len() => bytes[at] = *with,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, *with),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,300}", lines in vec("[ -~—]{0,60}", 0..8)) {
        let vkey = signer().vkey().clone();
        for text in [text, lines.join("\n"), format!("{}\n", lines.join("\n"))] {
            prop_assert!(Checkpoint::open(&text, &vkey).is_err());
            prop_assert!(Vkey::parse(&text).is_err());
            prop_assert!(Signer::parse(&text).is_err());
            prop_assert!(Inclusion::from_json(&text).is_err());
            let report = verify::export(&mut text.as_bytes(), &Expect::default(), &mut |_, _| {});
            prop_assert!(report.is_err());
        }
    }

    #[test]
    fn a_mangled_note_is_the_same_or_refused(edits in vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4)) {
        let note = signer().sign(1234, &[1; 32], &[2; 32]);
        let mangled = mangle(&note, &edits);
        let read = Checkpoint::open(&mangled, signer().vkey());
        prop_assert_eq!(read.is_ok(), mangled == note, "{}", mangled);
    }

    #[test]
    fn a_mangled_proof_never_proves_another_body(edits in vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4)) {
        let leaf = ledger::hash::leaf(b"body", None);
        let root = ledger::hash::node(&leaf, &[5; 32]);
        let proof = Inclusion {
            origin: signer().vkey().name().to_owned(),
            index: 0,
            size: 2,
            body: "body".into(),
            commitment: None,
            hashes: vec![[5; 32]],
            checkpoint: signer().sign(2, &root, &[2; 32]),
        };
        proof.verify(signer().vkey()).unwrap();
        if let Ok(read) = Inclusion::from_json(&mangle(&proof.to_json(), &edits))
            && read.verify(signer().vkey()).is_ok()
        {
            prop_assert_eq!(read, proof);
        }
    }

    #[test]
    fn any_proof_numbers_are_answered(
        numbers in any::<(u64, u64)>(),
        hashes in vec(any::<[u8; 32]>(), 0..70),
        root in any::<[u8; 32]>(),
    ) {
        let (a, b) = numbers;
        prop_assert!(!verify_inclusion(&[3; 32], a, b, &hashes, &root));
        prop_assume!(a != b && a != 0);
        let (old, new) = (Head { size: a, root }, Head { size: b, root: [3; 32] });
        prop_assert!(!verify_consistency(&old, &new, &hashes));
    }
}
