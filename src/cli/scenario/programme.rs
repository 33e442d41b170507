//! The programmes as they were published, and when what happens in them.
//!
//! What was published: Nijmegen 29 pairings with 38 children in 18 months, 19 of 29 families with one parent, 12 %
//! of the children over 12, mostly referred by professionals; Meppel 10 pairings in its first year, 15 more in
//! the second, 71 support families, 58,000 euro a year; Hoogeveen 8 support families within days and no pairing yet;
//! Druten, Heumen, Berg en Dal 1 to 4 pairings each.

use super::draw::Draw;
use clap::ValueEnum;

/// Which programmes are played.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Which {
    /// Nijmegen.
    Nijmegen,
    /// Meppel.
    Meppel,
    /// Hoogeveen.
    Hoogeveen,
    /// All of them, with Druten, Heumen and Berg en Dal.
    Region,
}

/// One programme in one gemeente.
#[derive(Debug)]
pub struct Programme {
    /// Name of the gemeente.
    pub town: &'static str,
    /// Its CBS code.
    pub municipality: &'static str,
    /// Its recipient in a consent (`policies/consent.toml`).
    pub recipient: &'static str,
    /// The coordinator of its territory.
    pub coordinator: &'static str,
    /// Months until it was reported on.
    pub months: i64,
    /// Pairings of the first year and of the time after it.
    pub pairings: [usize; 2],
    /// Children who take part, where it was published.
    pub children: Option<usize>,
    /// Of the families paired, how many have one parent, where it was published.
    pub one_parent: Option<usize>,
    /// Children of 12 and over.
    pub over_12: usize,
    /// Support families that registered.
    pub support_families: usize,
    /// Families that were referred and not paired.
    pub others: usize,
    /// In which capacity families are referred, in turn.
    pub sources: &'static [&'static str],
    /// What the gemeente pays a year, in euro, where it was published.
    pub euro_a_year: Option<u64>,
}

const PROFESSIONALS: &[&str] =
    &["wijkteam", "poh-j", "wijkteam", "self", "poh-j", "regieteam", "wijkteam", "doorbraakcoach"];
const WEBSITE: &[&str] = &["other", "self", "other"];

const NIJMEGEN: Programme = Programme {
    town: "Nijmegen",
    municipality: "GM0268",
    recipient: "buurtgezinnen:nijmegen",
    coordinator: "anna",
    months: 18,
    pairings: [14, 15],
    children: Some(38),
    one_parent: Some(19),
    over_12: 5,
    support_families: 34,
    others: 9,
    sources: PROFESSIONALS,
    euro_a_year: None,
};

const MEPPEL: Programme = Programme {
    town: "Meppel",
    municipality: "GM0119",
    recipient: "buurtgezinnen:meppel",
    coordinator: "carla",
    months: 24,
    pairings: [10, 15],
    children: None,
    one_parent: None,
    over_12: 3,
    support_families: 71,
    others: 6,
    sources: WEBSITE,
    euro_a_year: Some(58_000),
};

const HOOGEVEEN: Programme = Programme {
    town: "Hoogeveen",
    municipality: "GM0118",
    recipient: "buurtgezinnen:hoogeveen",
    coordinator: "dirk",
    months: 3,
    pairings: [0, 0],
    children: None,
    one_parent: None,
    over_12: 0,
    support_families: 8,
    others: 0,
    sources: WEBSITE,
    euro_a_year: None,
};

/// A small gemeente around Nijmegen: one to four pairings, how many is drawn.
fn small(
    town: &'static str,
    municipality: &'static str,
    recipient: &'static str,
    draw: &mut Draw,
) -> Programme {
    let pairings = usize::try_from(draw.between(1, 4)).unwrap_or(1);
    Programme {
        town,
        municipality,
        recipient,
        coordinator: "bert",
        months: 18,
        pairings: [pairings.min(2), pairings.saturating_sub(2)],
        support_families: pairings + 1,
        others: 1,
        ..HOOGEVEEN
    }
}

impl Which {
    /// The programmes, with what is drawn about them.
    #[must_use]
    pub fn programmes(self, draw: &mut Draw) -> Vec<Programme> {
        match self {
            Self::Nijmegen => vec![NIJMEGEN],
            Self::Meppel => vec![MEPPEL],
            Self::Hoogeveen => vec![HOOGEVEEN],
            Self::Region => vec![
                NIJMEGEN,
                small("Druten", "GM0225", "buurtgezinnen:druten", draw),
                small("Heumen", "GM0252", "buurtgezinnen:heumen", draw),
                small("Berg en Dal", "GM1945", "buurtgezinnen:berg-en-dal", draw),
                MEPPEL,
                HOOGEVEEN,
            ],
        }
    }
}

/// What happens, to a family or a support family of the plan.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Act {
    /// A support family registers.
    Register,
    /// It is spoken with, and its certificate of conduct seen.
    Screen,
    /// It can be proposed.
    Offer,
    /// A family is referred, and its case handed to the coordinator.
    Refer,
    /// The coordinator opens who it is and begins.
    Intake,
    /// A support family is looked for.
    Search,
    /// An introduction that does not fit.
    Mismatch,
    /// The best proposal is introduced.
    Introduce,
    /// They try it.
    Trial,
    /// They go on.
    Pair,
    /// What came of it.
    Evaluate,
    /// The case closes: no support family was needed after all.
    Close,
}

/// A family of the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct FamilyPlan {
    /// Place of its programme.
    pub(super) programme: usize,
    /// In which capacity it is referred.
    pub(super) source: &'static str,
    /// Whether one parent brings the children up.
    pub(super) one_parent: bool,
    /// Children under 12, and of 12 and over.
    pub(super) children: [usize; 2],
}

/// Everything that will happen, in order of its day.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Day, what, and to which family or support family.
    pub(super) acts: Vec<(i64, Act, usize)>,
    /// Families.
    pub(super) families: Vec<FamilyPlan>,
    /// Support families, by the place of their programme.
    pub(super) supports: Vec<usize>,
}

/// Days of a month, as far as a plan goes.
const MONTH: i64 = 30;

impl Plan {
    /// The plan of these programmes.
    #[must_use]
    pub(super) fn of(programmes: &[Programme], draw: &mut Draw) -> Self {
        let mut plan = Self::default();
        for (place, programme) in programmes.iter().enumerate() {
            plan.families(place, programme, draw);
            for _ in programme.pairings.iter().sum::<usize>()..programme.support_families {
                // Hoogeveen: all within days. Else over the whole time.
                let last = if programme.others == 0 { 5 } else { programme.months * MONTH - 40 };
                let day = draw.between(1, last);
                plan.support(place, day);
            }
        }
        plan.acts.sort_unstable();
        plan
    }

    fn families(&mut self, place: usize, programme: &Programme, draw: &mut Draw) {
        let all = programme.pairings.iter().sum::<usize>();
        let mut children = vec![1; all];
        for more in children.iter_mut().take(programme.children.unwrap_or(all).saturating_sub(all))
        {
            *more = 2;
        }
        let one_parent = programme.one_parent.unwrap_or(all * 2 / 3);
        let mut traits: Vec<_> = (0..all)
            .map(|at| {
                (children.get(at).copied().unwrap_or(1), at < one_parent, at < programme.over_12)
            })
            .collect();
        draw.shuffle(&mut traits);
        for (at, (children, one_parent, older)) in traits.into_iter().enumerate() {
            let first = programme.pairings.first().copied().unwrap_or_default();
            let last = programme.months * MONTH - 10;
            let day = if at < first { draw.between(80, 355) } else { draw.between(370, last) };
            let older = usize::from(older);
            let source = programme.sources.get(at % programme.sources.len()).copied();
            let children = [children - older, older];
            let source = source.unwrap_or("self");
            self.paired(
                FamilyPlan { programme: place, source, one_parent, children },
                day,
                programme,
            );
            if at % 12 == 5 {
                self.acts.push((day - 48, Act::Mismatch, self.families.len() - 1));
            }
        }
        for at in 0..programme.others {
            let source = programme.sources.get(at % programme.sources.len()).copied();
            let source = source.unwrap_or("self");
            let family =
                FamilyPlan { programme: place, source, one_parent: at % 2 == 0, children: [1, 0] };
            self.families.push(family);
            let (id, day) =
                (self.families.len() - 1, draw.between(30, programme.months * MONTH - 60));
            for (after, act) in [(0, Act::Refer), (6, Act::Intake), (30, Act::Close)] {
                self.acts.push((day + after, act, id));
            }
        }
    }

    /// A family that is paired on a day, and a support family for it.
    fn paired(&mut self, family: FamilyPlan, day: i64, programme: &Programme) {
        self.support(family.programme, day - 76);
        self.families.push(family);
        let id = self.families.len() - 1;
        for (before, act) in [
            (60, Act::Refer),
            (55, Act::Intake),
            (50, Act::Search),
            (45, Act::Introduce),
            (34, Act::Trial),
            (0, Act::Pair),
        ] {
            self.acts.push((day - before, act, id));
        }
        let evaluations = (1..).map(|n| day + n * 183);
        for day in evaluations.take_while(|day| *day < programme.months * MONTH) {
            self.acts.push((day, Act::Evaluate, id));
        }
    }

    fn support(&mut self, programme: usize, day: i64) {
        self.supports.push(programme);
        let id = self.supports.len() - 1;
        for (after, act) in [(0, Act::Register), (6, Act::Screen), (12, Act::Offer)] {
            self.acts.push((day + after, act, id));
        }
    }
}
