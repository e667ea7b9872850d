//! The tree against the vectors of RFC 6962's reference code and against another implementation, and the proofs that
//! come of it.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ledger::checkpoint::{Checkpoint, Vkey};
use ledger::hash::{self, Hash};
use ledger::proof::{Head, Inclusion, verify_consistency, verify_inclusion};
use ledger::{Log as _, Reader, Sync};
use sha2::Sha256;

use crate::rig::{Place, draft, fill, place, plain};

fn root_at(reader: &Reader, vkey: &Vkey) -> Checkpoint {
    Checkpoint::open(&reader.checkpoint().unwrap(), vkey).unwrap()
}

fn oracle_root(tree: &MemoryBackedTree<Sha256, Vec<u8>>) -> Hash {
    tree.root().as_bytes().as_slice().try_into().unwrap()
}

#[test]
fn leaves_and_nodes_are_those_of_rfc_6962() {
    // From the reference implementation's tests (certificate-transparency-go, merkle hasher).
    let expect = |text: &str| hash::unhex::<32>(text).unwrap();
    assert_eq!(
        hash::empty_root(),
        expect("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
    assert_eq!(
        hash::leaf(b"", None),
        expect("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    );
    assert_eq!(
        hash::leaf(b"L123456", None),
        expect("395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56")
    );
    let node = |left: &[u8], right: &[u8]| hash::plain(&[&[1][..], left, right].concat());
    let (left, right) = ([4; 32], [9; 32]);
    assert_eq!(hash::node(&left, &right), node(&left, &right));
    assert_eq!(hash::leaf(b"body", Some(&right)), hash::leaf(&[&b"body\n"[..], &right].concat(), None));
}

#[test]
fn every_root_is_the_oracles() {
    let place = place();
    let mut log = place.open();
    let vkey = Vkey::parse(&log.signer_vkey()).unwrap();
    let reader = Reader::open(&place.path).unwrap();
    let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    assert_eq!(root_at(&reader, &vkey).root, oracle_root(&oracle));
    for size in 0..600_u64 {
        let text = format!("record {size}");
        log.append(size, &[plain(&text)], Sync::Durable).unwrap();
        oracle.push(text.into_bytes());
        let signed = root_at(&reader, &vkey);
        assert_eq!((signed.size, signed.root), (size + 1, oracle_root(&oracle)));
    }
}

#[test]
fn every_proof_is_the_oracles_and_holds() {
    const SIZE: u64 = 600;
    let place = place();
    let mut log = place.open();
    let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut roots = vec![oracle_root(&oracle)];
    for n in 0..SIZE {
        let text = format!("record {n}");
        log.append(n, &[plain(&text)], Sync::Written).unwrap();
        oracle.push(text.into_bytes());
        roots.push(oracle_root(&oracle));
    }
    let reader = Reader::open(&place.path).unwrap();
    for index in 0..SIZE {
        let ours = reader.inclusion(index, SIZE).unwrap();
        assert_eq!(ours.as_flattened(), oracle.prove_inclusion(index as usize).as_bytes(), "index {index}");
    }
    for old in 1..SIZE {
        let ours = reader.consistency(old, SIZE).unwrap();
        let theirs = oracle.prove_consistency((SIZE - old) as usize);
        assert_eq!(ours.as_flattened(), theirs.as_bytes(), "from {old}");
    }
    for size in [1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 513, 599] {
        let root = roots[size as usize];
        for index in (0..size).step_by(5).chain([size - 1]) {
            let path = reader.inclusion(index, size).unwrap();
            let leaf = reader.leaf(index).unwrap();
            assert!(verify_inclusion(&leaf, index, size, &path, &root), "{index} of {size}");
            assert!(!verify_inclusion(&leaf, index + 1, size, &path, &root) || size == 1);
            assert!(!verify_inclusion(&[0; 32], index, size, &path, &root));
            assert!(!verify_inclusion(&leaf, index, size, &path, &roots[size as usize + 1]));
            let longer = [path.as_slice(), &[[0; 32]]].concat();
            assert!(!verify_inclusion(&leaf, index, size, &longer, &root));
        }
        for old in 0..=size {
            let path = reader.consistency(old, size).unwrap();
            let (before, after) = (Head { size: old, root: roots[old as usize] }, Head { size, root });
            assert!(verify_consistency(&before, &after, &path), "{old} to {size}");
            let other = Head { root: [1; 32], ..before };
            assert!(!verify_consistency(&other, &after, &path), "{old} to {size}");
            let longer = [path.as_slice(), &[[0; 32]]].concat();
            assert!(!verify_consistency(&before, &after, &longer), "{old} to {size}");
        }
    }
}

#[test]
fn proofs_work_across_three_levels_of_tiles() {
    const SIZE: u64 = 66_200;
    let place = place();
    let mut log = place.open();
    let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let texts: Vec<String> = (0..SIZE).map(|n| format!("r{n}")).collect();
    let mut at = 0;
    for batch in texts.chunks(4001) {
        let drafts: Vec<_> = batch.iter().map(|text| plain(text)).collect();
        log.append(at, &drafts, Sync::Durable).unwrap();
        at += batch.len() as u64;
    }
    texts.into_iter().for_each(|text| oracle.push(text.into_bytes()));
    drop(log);
    // Opening resumes from tiles and compares with what was signed.
    let log = place.open();
    let vkey = Vkey::parse(&log.signer_vkey()).unwrap();
    let reader = Reader::open(&place.path).unwrap();
    assert_eq!(root_at(&reader, &vkey).root, oracle_root(&oracle));
    for index in [0, 1, 255, 256, 40_000, 65_535, 65_536, 65_791, 65_792, SIZE - 1] {
        let ours = reader.inclusion(index, SIZE).unwrap();
        assert_eq!(ours.as_flattened(), oracle.prove_inclusion(index as usize).as_bytes(), "index {index}");
    }
    for old in [1, 256, 300, 65_536, 65_537, 66_000] {
        let theirs = oracle.prove_consistency((SIZE - old) as usize);
        assert_eq!(reader.consistency(old, SIZE).unwrap().as_flattened(), theirs.as_bytes(), "from {old}");
    }
    let report = place.verify();
    assert_eq!((report.failure, report.size, report.root), (None, SIZE, oracle_root(&oracle)));
}

#[test]
fn a_proof_file_convinces_only_of_its_own_record() {
    let place = Place::filled(300);
    let reader = Reader::open(&place.path).unwrap();
    let vkey = Vkey::parse(&reader.vkey()).unwrap();
    let other = Vkey::parse(&Reader::open(&Place::filled(1).path).unwrap().vkey()).unwrap();
    for index in [0, 1, 255, 256, 299] {
        let proof = reader.prove(index).unwrap();
        assert_eq!(proof.body.as_bytes(), draft(index).body);
        let read = Inclusion::from_json(&proof.to_json()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(&vkey).unwrap().size, 300);
        assert!(read.verify(&other).is_err());
        let changes: [&dyn Fn(&mut Inclusion); 8] = [
            &|p| p.body.push(' '),
            &|p| p.index ^= 1,
            &|p| p.size -= 1,
            &|p| p.origin.push('x'),
            &|p| p.commitment = p.commitment.map_or(Some([0; 32]), |_| None),
            &|p| p.hashes[0][0] ^= 1,
            &|p| p.hashes.truncate(1),
            &|p| p.checkpoint = p.checkpoint.replacen("300", "299", 1),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut forged = proof.clone();
            change(&mut forged);
            assert!(forged.verify(&vkey).is_err(), "change {n} of record {index}");
        }
    }
}

#[test]
fn two_checkpoints_of_one_log_are_consistent() {
    let place = place();
    let mut log = place.open();
    let vkey = Vkey::parse(&log.signer_vkey()).unwrap();
    let reader = Reader::open(&place.path).unwrap();
    fill(&mut log, 0, 130);
    let before = root_at(&reader, &vkey);
    fill(&mut log, 130, 777);
    let after = root_at(&reader, &vkey);
    let path = reader.consistency(before.size, after.size).unwrap();
    let head = |c: &Checkpoint| Head { size: c.size, root: c.root };
    assert!(verify_consistency(&head(&before), &head(&after), &path));
    assert!(!verify_consistency(&head(&after), &head(&before), &path));
}
