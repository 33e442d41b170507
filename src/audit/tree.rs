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

    /// Roots of the complete subtrees, smallest first: one for each one bit of the size, from the lowest.
    pub(super) fn smallest_first(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.hashes.iter().rev()
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
mod tests;
