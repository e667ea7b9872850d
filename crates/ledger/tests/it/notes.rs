//! Checkpoints as C2SP writes them: one spelling, one key, one log.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ledger::Signer;
use ledger::checkpoint::{Checkpoint, Flaw, Vkey};

fn signer() -> Signer {
    Signer::new("portcullis/00112233aabbccdd", &[7; 32]).unwrap()
}

#[test]
fn keys_are_written_as_gos_note_package_does() {
    // The example of golang.org/x/mod/sumdb/note.
    let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let signer = Signer::parse(secret).unwrap();
    assert_eq!(signer.vkey().to_string(), public);
    assert_eq!(signer.to_private_text(), secret);
    assert_eq!(Vkey::parse(public).unwrap(), *signer.vkey());
    assert!(!format!("{signer:?}").contains("AYEKFALV"), "the secret half reaches no log file");
}

#[test]
fn what_is_signed_is_read_back() {
    let note = signer().sign(12, &[1; 32], &[2; 32]);
    let read = Checkpoint::open(&note, signer().vkey()).unwrap();
    let origin = "portcullis/00112233aabbccdd".to_owned();
    assert_eq!(read, Checkpoint { origin, size: 12, root: [1; 32], link: [2; 32] });
    let witnessed = format!("{note}\u{2014} witness.example/w {}\n", STANDARD.encode([9; 76]));
    assert_eq!(Checkpoint::open(&witnessed, signer().vkey()), Ok(read));
}

/// The text signed by the right key, whatever it says.
fn sign_text(text: &str) -> String {
    use ed25519_dalek::Signer as _;
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let vkey = signer().vkey().to_string();
    let id = ledger::hash::unhex::<4>(vkey.split('+').nth(1).unwrap()).unwrap();
    let signature = [&id[..], &key.sign(text.as_bytes()).to_bytes()].concat();
    format!("{text}\n\u{2014} portcullis/00112233aabbccdd {}\n", STANDARD.encode(signature))
}

#[test]
fn there_is_one_spelling_even_under_a_good_signature() {
    let root = STANDARD.encode([1; 32]);
    let link = STANDARD.encode([2; 32]);
    let origin = "portcullis/00112233aabbccdd";
    let good = format!("{origin}\n5\n{root}\nlink {link}\n");
    assert_eq!(Checkpoint::open(&sign_text(&good), signer().vkey()).unwrap().size, 5);
    let malformed = [
        format!("{origin}\n+5\n{root}\nlink {link}\n"),
        format!("{origin}\n05\n{root}\nlink {link}\n"),
        format!("{origin}\n-5\n{root}\nlink {link}\n"),
        format!("{origin}\n5 \n{root}\nlink {link}\n"),
        format!("{origin}\n\n{root}\nlink {link}\n"),
        format!("{origin}\n18446744073709551616\n{root}\nlink {link}\n"),
        format!("{origin}\n5\n{}\nlink {link}\n", root.trim_end_matches('=')),
        format!("{origin}\n5\n{}\nlink {link}\n", STANDARD.encode([1; 31])),
        format!("{origin}\n5\n{}F=\nlink {link}\n", &root[..root.len() - 2]),
        format!("{origin}\n5\n{root}\nLink {link}\n"),
        format!("{origin}\n5\n{root}\nlink  {link}\n"),
        format!("{origin}\n5\n{root}\n"),
        format!("{origin}\n5\n{root}\nlink {link}\nmore\n"),
        format!("{origin}\n5\n{root}\n\nlink {link}\n"),
        format!("\n5\n{root}\nlink {link}\n"),
    ];
    for text in malformed {
        let outcome = Checkpoint::open(&sign_text(&text), signer().vkey());
        assert_eq!(outcome, Err(Flaw::NotACheckpoint), "{text:?}");
    }
    let elsewhere = sign_text(&good.replacen(origin, "another/log", 1));
    assert_eq!(Checkpoint::open(&elsewhere, signer().vkey()), Err(Flaw::OtherLog));
}

#[test]
fn a_note_that_is_not_ours_is_told_apart() {
    let note = signer().sign(5, &[1; 32], &[2; 32]);
    let other = Signer::new("portcullis/00112233aabbccdd", &[8; 32]).unwrap();
    assert_eq!(Checkpoint::open(&note, other.vkey()), Err(Flaw::OtherKey));
    let edited = note.replacen("\n5\n", "\n6\n", 1);
    assert_eq!(Checkpoint::open(&edited, signer().vkey()), Err(Flaw::BadSignature));
    for broken in [
        note.trim_end().to_owned(),
        format!("{note}\n"),
        note.replace('\n', "\r\n"),
        note.replace("\n\n", "\n"),
        note.replace('\u{2014}', "-"),
        String::new(),
        "\n\n".to_owned(),
        "x".repeat(100_000),
    ] {
        assert_eq!(Checkpoint::open(&broken, signer().vkey()), Err(Flaw::NotANote), "{broken:?}");
    }
}
