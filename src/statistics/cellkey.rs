//! The cell-key method: what a cell is moved by follows from its count and the sum of the keys of its records.
//!
//! Most it is moved by: 5; variance: 3; nothing from 1 to 4 is ever shown, and nobody is nobody. The table holds, for
//! each count up to 9 and for all from 10 on, the moves of most entropy under those rules with mean exactly 0, in parts
//! of 65,536 (for 1, 2, 3 and 4 the variance cannot be 3: the least that can be). It was computed once; the tests hold
//! it against its rules.

/// Moves and their chances in 65,536, for the counts from 1 to 9 and, last, from 10 on.
const MOVES: [&[(i64, u32)]; 10] = [
    &[(-1, 52_429), (4, 13_106), (5, 1)],
    &[(-2, 39_322), (3, 26_213), (5, 1)],
    &[(-3, 26_215), (2, 39_320), (5, 1)],
    &[(-4, 13_108), (1, 52_427), (5, 1)],
    &[(-5, 5_966), (0, 37_089), (1, 16_430), (2, 4_912), (3, 992), (4, 135), (5, 12)],
    &[(-1, 40_950), (0, 10_659), (1, 4_047), (2, 2_243), (3, 1_814), (4, 2_140), (5, 3_683)],
    &[
        (-2, 15_285),
        (-1, 14_923),
        (0, 12_803),
        (1, 9_652),
        (2, 6_393),
        (3, 3_721),
        (4, 1_903),
        (5, 856),
    ],
    &[
        (-3, 4_722),
        (-2, 8_959),
        (-1, 12_934),
        (0, 14_197),
        (1, 11_854),
        (2, 7_527),
        (3, 3_635),
        (4, 1_335),
        (5, 373),
    ],
    &[
        (-4, 1_207),
        (-3, 3_637),
        (-2, 7_971),
        (-1, 12_728),
        (0, 14_806),
        (1, 12_546),
        (2, 7_745),
        (3, 3_483),
        (4, 1_141),
        (5, 272),
    ],
    &[
        (-5, 249),
        (-4, 1_087),
        (-3, 3_427),
        (-2, 7_781),
        (-1, 12_727),
        (0, 14_994),
        (1, 12_727),
        (2, 7_781),
        (3, 3_427),
        (4, 1_087),
        (5, 249),
    ],
];

/// The figure of a cell: its count, moved by what the sum of the keys of its records says.
#[must_use]
pub fn figure(count: i64, keys: u32) -> i64 {
    let row = usize::try_from(count - 1).ok().and_then(|at| MOVES.get(at.min(MOVES.len() - 1)));
    let Some(moves) = row else { return 0 };
    let mut left = keys & 0xffff;
    for (by, chance) in *moves {
        if left < *chance {
            return count + by;
        }
        left -= chance;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_keeps_its_rules() {
        for (at, moves) in MOVES.iter().enumerate() {
            let count = i64::try_from(at).unwrap() + 1;
            assert_eq!(moves.iter().map(|(_, chance)| chance).sum::<u32>(), 65_536, "{count}");
            let mean: i64 = moves.iter().map(|(by, chance)| by * i64::from(*chance)).sum();
            assert_eq!(mean, 0, "{count}");
            let spread: i64 = moves.iter().map(|(by, chance)| by * by * i64::from(*chance)).sum();
            let variance = f64::from(i32::try_from(spread).unwrap()) / 65_536.0;
            assert!((2.99..=6.01).contains(&variance), "{count}: {variance}");
            assert!(count < 5 || (2.99..=3.01).contains(&variance), "{count}: {variance}");
            for (by, _) in *moves {
                assert!(by.abs() <= 5 && (count + by == 0 || count + by >= 5), "{count} {by}");
            }
        }
    }

    #[test]
    fn a_figure_follows_from_count_and_keys_and_nobody_is_nobody() {
        assert_eq!(figure(0, 12), 0);
        assert_eq!([figure(1, 0), figure(1, 52_428), figure(1, 52_429)], [0, 0, 5]);
        assert_eq!(figure(1, 65_535), 6);
        assert_eq!(figure(40, 0), 35);
        assert_eq!(figure(40, 0x1_0000), 35, "keys are summed round");
    }
}
