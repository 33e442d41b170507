//! A programme reports the counts of a quarter about itself. Sent again it is a new version, sent again
//! unchanged it is the same.

use crate::audit::entry::Event;
use crate::domain::municipality::Municipality;
use crate::domain::period::Quarter;
use crate::domain::programme::Programme;
use crate::flow::{Done, FlowError, Gateway};
use crate::ids::ReportId;
use crate::policy::Allowed;
use crate::policy::action::ReportProgramme;
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::verdict::Note;
use crate::store::effect::{Effect, Rows};
use crate::store::reports::{ReportKey, ReportRow};
use crate::store::writer::{Found, Question};
use std::sync::Arc;

/// Counts that passed every rule of form.
#[derive(Debug)]
pub struct Report {
    /// About what.
    pub programme: Programme,
    /// Of which quarter.
    pub period: Quarter,
    /// In which gemeente.
    pub municipality: Municipality,
    /// Measures in order of their names; a grade in tenths.
    pub counts: Vec<(String, i64)>,
}

/// Takes a report. Gives its version, and whether it is new.
///
/// # Errors
/// [`FlowError::Rule`] where the partner does not run the programme, or not in that gemeente.
pub async fn report(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReportProgramme>,
    report: Report,
) -> Result<Done<(i32, bool)>, FlowError> {
    let now = gateway.clock.now();
    may_report(gateway, &allowed, &report)?;
    let key = ReportKey {
        partner: allowed.subject().partner,
        programme: report.programme,
        municipality: report.municipality,
        period: report.period.to_text(),
    };
    let (id, counts) = (ReportId::new(), report.counts);
    let question = Question { report: Some(Arc::new(key.clone())), ..Question::default() };
    let decide = move |found: &Found| {
        let subject = allowed.subject();
        let (last, before) = found.report.clone().unwrap_or_default();
        let same = last > 0 && before == counts;
        let version = if same { last } else { last.saturating_add(1) };
        let verdict = allowed.decide(subject.partner, &Facts::Bare, &Circumstance::None);
        let entry = verdict.entry(Event::ReportReceived, &Note::default());
        let row = ReportRow {
            id,
            key: key.clone(),
            version,
            counts: counts.clone(),
            received_ms: now.as_millisecond(),
        };
        let rows =
            verdict.when_allowed(|| Rows { report: (!same).then_some(row), ..Rows::default() });
        (Effect::new(subject.request, entry, rows), (verdict, version, !same))
    };
    let ((verdict, version, new), committed) =
        gateway.store.writer.write(question, now, decide).await?;
    verdict.settle(&committed)?;
    Ok(Done { value: (version, new), committed })
}

fn may_report(
    gateway: &Gateway,
    allowed: &Allowed<ReportProgramme>,
    report: &Report,
) -> Result<(), FlowError> {
    let register = gateway.register.load();
    let partner = register.named(allowed.subject().partner_name.as_str());
    let runs = partner.filter(|partner| partner.sources.contains(&report.programme.source()));
    let partner = runs.ok_or(FlowError::Rule {
        pointer: "",
        code: "programme-not-registered",
        rule: "must come from a partner that is registered for this programme",
    })?;
    let serves = partner.municipalities.contains(&report.municipality);
    serves.then_some(()).ok_or(FlowError::Rule {
        pointer: "/municipality",
        code: "municipality-not-registered",
        rule: "must be a gemeente this partner is registered for",
    })
}
