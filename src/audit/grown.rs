//! What one commit added to the tree, and from that alone the audit path of each of its leaves.
//!
//! For receipts: the writer has the edge of the tree before its group and the hashes of the group, and
//! needs no other row. Invariant: a path is the one `tree::inclusion_proof` gives over all leaves.
//! Absent: paths of older leaves, which need the leaves (`store::witness`).

use std::sync::OnceLock;

use super::tree::{Peaks, node_hash};

/// The edge of the tree before a group, and the group's leaf hashes. Shared by all of the group.
///
/// Nothing is hashed until somebody asks for a path. The first who asks has the inner nodes made, about
/// one hash a leaf; after that a path is looked up.
#[derive(Debug)]
pub struct Grown {
    before: Peaks,
    leaves: Vec<[u8; 32]>,
    levels: OnceLock<Vec<Level>>,
}

/// The nodes of one height that a path of the group can meet.
#[derive(Debug)]
struct Level {
    /// Index, at this height, of the first of `nodes`; even.
    first: u64,
    nodes: Vec<[u8; 32]>,
}

/// That a leaf stands in a tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inclusion {
    /// RFC 6962 hash of the leaf.
    pub leaf_hash: [u8; 32],
    /// Sibling hashes from the leaf to the root.
    pub path: Vec<[u8; 32]>,
}

impl Grown {
    /// `leaves` were appended to the tree whose edge was `before`.
    #[must_use]
    pub const fn new(before: Peaks, leaves: Vec<[u8; 32]>) -> Self {
        Self { before, leaves, levels: OnceLock::new() }
    }

    /// Proof that the leaf `index` stands in the tree that ends with this group. `None` for a leaf that is
    /// not of the group.
    #[must_use]
    pub fn inclusion(&self, index: u64) -> Option<Inclusion> {
        let own = usize::try_from(index.checked_sub(self.before.size())?).ok()?;
        let leaf_hash = *self.leaves.get(own)?;
        let mut path = Vec::new();
        let mut node = index;
        for level in self.levels.get_or_init(|| levels(&self.before, &self.leaves)) {
            // The last node of a height may have no sibling; it rises as it is.
            let sibling = usize::try_from((node ^ 1).checked_sub(level.first)?).ok()?;
            path.extend(level.nodes.get(sibling));
            node /= 2;
        }
        Some(Inclusion { leaf_hash, path })
    }
}

/// Height by height up to the root, which is left out.
fn levels(before: &Peaks, leaves: &[[u8; 32]]) -> Vec<Level> {
    let mut edge = before.smallest_first();
    let (mut first, mut nodes) = (before.size(), leaves.to_vec());
    let mut levels = Vec::new();
    loop {
        // An odd number of nodes to the left: the last of them is a complete subtree of the edge.
        if !first.is_multiple_of(2)
            && let Some(left) = edge.next()
        {
            nodes.insert(0, *left);
            first -= 1;
        }
        if first == 0 && nodes.len() <= 1 {
            return levels;
        }
        let above = nodes.chunks(2).filter_map(parent).collect();
        levels.push(Level { first, nodes });
        nodes = above;
        first /= 2;
    }
}

fn parent(pair: &[[u8; 32]]) -> Option<[u8; 32]> {
    match pair {
        [left, right] => Some(node_hash(left, right)),
        [alone] => Some(*alone),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tree::{inclusion_proof, leaf_hash, root, verify_inclusion};

    fn wide(size: usize) -> u64 {
        u64::try_from(size).unwrap()
    }

    #[test]
    fn aud_22_a_path_from_a_group_alone_is_the_path_over_all_leaves() {
        let all: Vec<[u8; 32]> = (0_u16..200).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let roots: Vec<[u8; 32]> = (0..=all.len()).map(|size| root(&all[..size])).collect();
        let mut before = Peaks::new();
        for split in 0..all.len() {
            for size in split + 1..=all.len() {
                let grown = Grown::new(before.clone(), all[split..size].to_vec());
                // Every leaf of small groups; of large ones the edges and one within.
                let (middle, few) = (usize::midpoint(split, size), size - split <= 8);
                for index in (split..size).filter(|i| few || [split, middle, size - 1].contains(i))
                {
                    let Inclusion { leaf_hash, path } = grown.inclusion(wide(index)).unwrap();
                    assert_eq!(leaf_hash, all[index]);
                    let (at, head) = (wide(index), &roots[size]);
                    assert!(verify_inclusion(at, wide(size), &leaf_hash, &path, head));
                }
                if size.is_multiple_of(23) {
                    let own = grown.inclusion(wide(split)).map(|found| found.path);
                    assert_eq!(own, inclusion_proof(&all[..size], split));
                }
                assert_eq!(grown.inclusion(wide(size)), None);
                assert!(split == 0 || grown.inclusion(wide(split - 1)).is_none());
            }
            before.push(all[split]);
        }
    }

    #[test]
    fn a_path_holds_against_the_root_and_no_other() {
        let all: Vec<[u8; 32]> = (0_u8..77).map(|n| leaf_hash(&[n])).collect();
        let mut before = Peaks::new();
        all[..70].iter().for_each(|leaf| before.push(*leaf));
        let proof = Grown::new(before, all[70..].to_vec()).inclusion(73).unwrap();
        assert!(verify_inclusion(73, 77, &proof.leaf_hash, &proof.path, &root(&all)));
        assert!(!verify_inclusion(73, 77, &proof.leaf_hash, &proof.path, &root(&all[..76])));
        assert!(!verify_inclusion(72, 77, &proof.leaf_hash, &proof.path, &root(&all)));
    }

    #[test]
    fn nothing_grown_has_no_path() {
        assert_eq!(Grown::new(Peaks::new(), Vec::new()).inclusion(0), None);
    }
}
