use super::*;
use proptest::prelude::*;

/// The reference tree of certificate-transparency: eight inputs and the root after each.
const INPUTS: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const N1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const N23: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const N45: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const N6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const N67: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const N4567: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

fn hash(text: &str) -> [u8; 32] {
    unhex(text).try_into().unwrap()
}

fn hashes(texts: &[&str]) -> Vec<[u8; 32]> {
    texts.iter().map(|text| hash(text)).collect()
}

fn reference() -> Vec<[u8; 32]> {
    INPUTS.iter().map(|input| leaf_hash(&unhex(input))).collect()
}

fn leaves(count: usize) -> Vec<[u8; 32]> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

#[test]
fn reference_roots() {
    let leaves = reference();
    let mut peaks = Peaks::new();
    for (size, expected) in ROOTS.iter().enumerate() {
        assert_eq!(root(&leaves[..size]), hash(expected));
        assert_eq!(peaks.root(), hash(expected));
        assert_eq!(peaks.size(), u64::try_from(size).unwrap());
        if let Some(leaf) = leaves.get(size) {
            peaks.push(*leaf);
        }
    }
}

#[test]
fn reference_inclusion_proofs() {
    let leaves = reference();
    let proof = |index: usize, size: usize| inclusion_proof(&leaves[..size], index);
    assert_eq!(proof(0, 1), Some(vec![]));
    assert_eq!(proof(0, 8), Some(hashes(&[N1, N23, N4567])));
    assert_eq!(proof(5, 8), Some(hashes(&[N4, N67, ROOTS[4]])));
    assert_eq!(proof(2, 3), Some(hashes(&[ROOTS[2]])));
    assert_eq!(proof(1, 5), Some(hashes(&[ROOTS[1], N23, N4])));
    assert_eq!(proof(8, 8), None);
    assert_eq!(proof(0, 0), None);
}

#[test]
fn reference_consistency_proofs() {
    let leaves = reference();
    let proof = |old: usize, new: usize| consistency_proof(&leaves[..new], old);
    assert_eq!(proof(1, 1), Some(vec![]));
    assert_eq!(proof(1, 8), Some(hashes(&[N1, N23, N4567])));
    assert_eq!(proof(6, 8), Some(hashes(&[N45, N67, ROOTS[4]])));
    assert_eq!(proof(2, 5), Some(hashes(&[N23, N4])));
    assert_eq!(proof(6, 7), Some(hashes(&[N45, N6, ROOTS[4]])));
    assert_eq!(proof(0, 8), Some(vec![]));
    assert_eq!(proof(9, 8), None);
}

#[test]
fn aud_22_every_inclusion_proof_up_to_64_holds_and_no_altered_one() {
    let all = leaves(65);
    for size in 1..=64 {
        let (tree, head) = (&all[..size], root(&all[..size]));
        let wide = u64::try_from(size).unwrap();
        for index in 0..size {
            let at = u64::try_from(index).unwrap();
            let path = inclusion_proof(tree, index).unwrap();
            assert!(verify_inclusion(at, wide, &tree[index], &path, &head));
            assert!(!verify_inclusion(at, wide, &all[index + 1], &path, &head));
            assert!(!verify_inclusion(at, wide, &tree[index], &path, &all[0]) || size == 1);
            for other in (0..size).filter(|other| *other != index) {
                let other = u64::try_from(other).unwrap();
                assert!(!verify_inclusion(other, wide, &tree[index], &path, &head));
            }
            assert!(!verify_inclusion(wide, wide, &tree[index], &path, &head));
            assert_paths_refused(&path, |p| verify_inclusion(at, wide, &tree[index], p, &head));
        }
    }
}

#[test]
fn every_consistency_proof_up_to_64_holds_and_no_altered_one() {
    let all = leaves(64);
    let roots: Vec<[u8; 32]> = (0..=64).map(|size| root(&all[..size])).collect();
    let wide = |size: usize| u64::try_from(size).unwrap();
    for new in 0..=64 {
        for old in 0..=new {
            let path = consistency_proof(&all[..new], old).unwrap();
            let check = |old_size: usize, old_root: &[u8; 32], p: &[[u8; 32]]| {
                verify_consistency(wide(old_size), wide(new), old_root, &roots[new], p)
            };
            assert!(check(old, &roots[old], &path));
            assert!(!check(old, &[7; 32], &path));
            assert!(!check(new + 1, &roots[old], &path));
            if old > 0 {
                assert_paths_refused(&path, |p| check(old, &roots[old], p));
            }
            if 0 < old && old < new {
                // A taller tree than the path climbs.
                let tall = wide(2 * new.next_power_of_two());
                assert!(!verify_consistency(wide(old), tall, &roots[old], &roots[new], &path,));
                assert!(!verify_consistency(wide(old), wide(new), &roots[old], &[7; 32], &path,));
            }
        }
    }
}

/// Every flipped, dropped, added and exchanged hash must be refused.
fn assert_paths_refused(path: &[[u8; 32]], check: impl Fn(&[[u8; 32]]) -> bool) {
    assert!(check(path));
    for at in 0..path.len() {
        let mut altered = path.to_vec();
        altered[at][at % 32] ^= 1;
        assert!(!check(&altered));
        altered.clone_from(&path.to_vec());
        altered.remove(at);
        assert!(!check(&altered));
    }
    let mut longer = path.to_vec();
    longer.push([7; 32]);
    assert!(!check(&longer));
    if path.len() > 1 {
        let mut exchanged = path.to_vec();
        exchanged.swap(0, 1);
        assert!(!check(&exchanged));
    }
}

#[test]
fn peaks_round_trip_and_refuse_other_bytes() {
    let mut peaks = Peaks::new();
    for leaf in leaves(70) {
        assert_eq!(Peaks::from_bytes(&peaks.to_bytes()).unwrap(), peaks);
        peaks.push(leaf);
    }
    let bytes = peaks.to_bytes();
    for len in 0..bytes.len() {
        assert_eq!(Peaks::from_bytes(&bytes[..len]), Err(TreeError::PeaksLength));
    }
    let mut newer = bytes.clone();
    newer[0] = 2;
    assert_eq!(Peaks::from_bytes(&newer), Err(TreeError::UnknownVersion));
    let mut resized = bytes;
    resized[8] ^= 1;
    assert_eq!(Peaks::from_bytes(&resized), Err(TreeError::PeaksLength));
}

#[test]
fn leaves_and_nodes_cannot_be_confused() {
    let (a, b) = ([1; 32], [2; 32]);
    assert_ne!(node_hash(&a, &b), leaf_hash(&[a, b].concat()));
    assert_ne!(node_hash(&a, &b), node_hash(&b, &a));
}

proptest! {
    #[test]
    fn long_logs_agree_with_short_ones(size in 65_usize..400, index in 0_usize..400) {
        prop_assume!(index < size);
        let tree = leaves(size);
        let (head, wide) = (root(&tree), u64::try_from(size).unwrap());
        let at = u64::try_from(index).unwrap();
        let path = inclusion_proof(&tree, index).unwrap();
        prop_assert!(verify_inclusion(at, wide, &tree[index], &path, &head));
        let path = consistency_proof(&tree, index).unwrap();
        let old = root(&tree[..index]);
        prop_assert!(verify_consistency(at, wide, &old, &head, &path));
    }

    #[test]
    fn arbitrary_proofs_never_panic_nor_pass(
        index in any::<u64>(), size in any::<u64>(),
        path in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        prop_assert!(size == 1 || !verify_inclusion(index, size, &[1; 32], &path, &[2; 32]));
        prop_assert!(!verify_consistency(index, size, &[1; 32], &[2; 32], &path));
    }
}
