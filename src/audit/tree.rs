//! RFC 6962 Merkle tree hashing, and the proofs of RFC 9162 section 2.1.
//!
//! For the ledger writer (`Peaks`), for receipts (inclusion) and for witnesses (consistency).
//! Invariant: leaves and nodes are hashed under different prefixes, so neither can pass for the
//! other. Absent: what a leaf means. A hash is the 32 bytes of SHA-256 throughout.

use ring::digest;

/// Root of the empty tree: SHA-256 of nothing.
pub const EMPTY_ROOT: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

const PEAKS_VERSION: u8 = 1;

/// Hash of a leaf: SHA-256(`0x00` ‖ leaf).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    sha256(&[&[0], leaf])
}

/// Hash of an inner node: SHA-256(`0x01` ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[1], left, right])
}

/// The growing edge of a tree: one hash per complete subtree, largest first.
///
/// At most 64 hashes however long the log is; enough to append and to know the root.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Peaks {
    size: u64,
    hashes: Vec<[u8; 32]>,
}

impl Peaks {
    /// The edge of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, hashes: Vec::new() }
    }

    /// Reads [`Self::to_bytes`] back.
    ///
    /// # Errors
    /// [`TreeError::UnknownVersion`] and [`TreeError::PeaksLength`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        let (version, rest) = bytes.split_first().ok_or(TreeError::PeaksLength)?;
        if *version != PEAKS_VERSION {
            return Err(TreeError::UnknownVersion);
        }
        let (size, rest) = rest.split_first_chunk::<8>().ok_or(TreeError::PeaksLength)?;
        let size = u64::from_be_bytes(*size);
        let (hashes, left_over) = rest.as_chunks::<32>();
        if !left_over.is_empty() || u32::try_from(hashes.len()) != Ok(size.count_ones()) {
            return Err(TreeError::PeaksLength);
        }
        Ok(Self { size, hashes: hashes.to_vec() })
    }

    /// A version byte, the size as eight big-endian bytes, and the hashes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![PEAKS_VERSION];
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(self.hashes.as_flattened());
        bytes
    }

    /// Appends one leaf.
    pub fn push(&mut self, leaf_hash: [u8; 32]) {
        let mut hash = leaf_hash;
        // Every trailing one bit is a complete subtree as large as the one just built.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree so far.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let from_the_right = self.hashes.iter().rev().copied();
        from_the_right.reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT)
    }
}

/// Why stored peaks cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TreeError {
    /// The first byte names a format this version does not know.
    #[error("unknown format of tree peaks")]
    UnknownVersion,
    /// The number of hashes does not follow from the size.
    #[error("tree peaks have the wrong length for their size")]
    PeaksLength,
}

/// Root over a slice of leaf hashes.
#[must_use]
pub fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    let mut peaks = Peaks::new();
    for leaf in leaves {
        peaks.push(*leaf);
    }
    peaks.root()
}

/// The audit path of leaf `index` in the tree over `leaves`, nearest sibling first.
/// `None` when there is no such leaf.
#[must_use]
pub fn inclusion_proof(leaves: &[[u8; 32]], index: usize) -> Option<Vec<[u8; 32]>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut part, mut at, mut path) = (leaves, index, Vec::new());
    while part.len() > 1 {
        let (left, right) = halves(part);
        if at < left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            at -= left.len();
            part = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` shows that `leaf_hash` stands at `index` in the tree of `size` leaves and `root`.
#[must_use]
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf_hash: &[u8; 32],
    path: &[[u8; 32]],
    root: &[u8; 32],
) -> bool {
    if index >= size {
        return false;
    }
    let mut walk = Walk { node: index, last: size - 1 };
    let mut hash = *leaf_hash;
    for sibling in path {
        match walk.step() {
            Some(Side::Left) => hash = node_hash(sibling, &hash),
            Some(Side::Right) => hash = node_hash(&hash, sibling),
            None => return false,
        }
    }
    walk.last == 0 && hash == *root
}

/// The proof that the tree over `leaves` extends its own first `old_size` leaves.
/// Empty for 0 and for the whole; `None` when `old_size` is larger than the tree.
#[must_use]
pub fn consistency_proof(leaves: &[[u8; 32]], old_size: usize) -> Option<Vec<[u8; 32]>> {
    if old_size > leaves.len() {
        return None;
    }
    let (mut part, mut old, mut path) = (leaves, old_size, Vec::new());
    if old == 0 {
        return Some(path);
    }
    // While the old tree is the leftmost subtree, the verifier already holds its root.
    let mut known = true;
    while old < part.len() {
        let (left, right) = halves(part);
        if old <= left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            old -= left.len();
            part = right;
            known = false;
        }
    }
    if !known {
        path.push(root(part));
    }
    path.reverse();
    Some(path)
}

/// Whether `path` shows that the tree of `new_size` and `new_root` only appended to the old one.
#[must_use]
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &[u8; 32],
    new_root: &[u8; 32],
    path: &[[u8; 32]],
) -> bool {
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    if old_size == 0 || old_size > new_size {
        return old_size == 0 && path.is_empty() && *old_root == EMPTY_ROOT;
    }
    let mut walk = Walk { node: old_size - 1, last: new_size - 1 };
    let complete = walk.node.trailing_ones();
    walk.up(complete);
    // A complete old tree is its own starting point and is left out of the proof.
    let (start, rest) = if old_size.is_power_of_two() {
        (old_root, path)
    } else {
        match path.split_first() {
            Some(split) => split,
            None => return false,
        }
    };
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        match walk.step() {
            Some(Side::Left) => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Some(Side::Right) => new_hash = node_hash(&new_hash, sibling),
            None => return false,
        }
    }
    walk.last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// Which side of the node the next sibling stands on.
enum Side {
    Left,
    Right,
}

/// The climb from a leaf to the root: the node's index and the last index at the same height.
struct Walk {
    node: u64,
    last: u64,
}

impl Walk {
    /// One step of RFC 9162, 2.1.3.2; `None` when the root is already reached.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if !self.node.is_multiple_of(2) || self.node == self.last {
            if self.node.is_multiple_of(2) {
                // A lone right edge rises without siblings until it is a right child.
                self.up(self.node.trailing_zeros());
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up(1);
        Some(side)
    }

    fn up(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }
}

/// Splits at the largest power of two below the length, which is at least 2.
fn halves(leaves: &[[u8; 32]]) -> (&[[u8; 32]], &[[u8; 32]]) {
    leaves.split_at(leaves.len().next_power_of_two() / 2)
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}

#[cfg(test)]
mod tests {
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
        let byte =
            |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
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
                    assert!(!verify_consistency(
                        wide(old),
                        wide(new),
                        &roots[old],
                        &[7; 32],
                        &path,
                    ));
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
}
