//! The programme as a test brings it about: support families that can be proposed, cases that look for one,
//! pairings on trial. For tests of pairings and for those that need one.

use crate::support::{ANNA, Caller, LEA, REGIETEAM, World, example};
use jiff::ToSpan;
use serde_json::{Value, json};

/// The placeholder in `examples/pairing.json`.
pub(crate) const SUPPORT: &str = "00000000-0000-4000-8000-00000000aaaa";

impl World {
    /// Registers a support family as `who` and returns its id.
    pub(crate) async fn support_family(&self, who: Caller, body: &Value) -> String {
        let answer = self.post(who, "/v1/support-families", body).await;
        assert_eq!((answer.status, answer.text("/state")), (201, "registered"), "{}", answer.raw);
        answer.text("/id").to_owned()
    }

    /// Moves a support family along.
    pub(crate) async fn screen(&self, id: &str, body: &Value) -> crate::support::Answer {
        self.post(ANNA, &format!("/v1/support-families/{id}/transitions"), body).await
    }

    /// A support family of anna's that can be proposed.
    pub(crate) async fn available_support(&self) -> String {
        self.available_with(&example("support-family")).await
    }

    /// As [`Self::available_support`], registered with `body`.
    pub(crate) async fn available_with(&self, body: &Value) -> String {
        // Later than the one before, so that lists have an order.
        self.later(1);
        let id = self.support_family(ANNA, body).await;
        let today = self.now().in_tz("Europe/Amsterdam").expect("a zone").date().to_string();
        let screened = json!({"to": "screening", "interviewedOn": today, "vogSeenOn": today, "parentingExperience": true});
        for step in [screened, json!({"to": "available"})] {
            let answer = self.screen(&id, &step).await;
            assert_eq!(answer.status, 200, "{}", answer.raw);
        }
        id
    }

    /// Moves a case of anna's.
    pub(crate) async fn case_to(&self, case: &str, to: &str) -> crate::support::Answer {
        let body = json!({"to": to});
        self.post(ANNA, &format!("/v1/cases/{case}/transitions"), &body).await
    }

    /// A case of anna's that looks for a support family, with its referral.
    pub(crate) async fn searching_case(&self) -> (String, String) {
        let (referral, case) = self.assigned_case().await;
        for to in ["intake", "searching"] {
            assert_eq!(self.case_to(&case, to).await.status, 200, "{to}");
        }
        (referral, case)
    }

    /// A case of anna's with a plan, from the regieteam, and its referral.
    pub(crate) async fn planned_case(&self) -> (String, String) {
        self.later(1);
        let sent = self.post(REGIETEAM, "/v1/referrals", &example("referral-regieteam")).await;
        assert_eq!(sent.status, 201, "{}", sent.raw);
        let waiting = self.get(LEA, "/v1/cases?assigned=false&limit=100").await;
        let items = waiting.body["items"].as_array().expect("a list");
        let case = items.last().expect("the case")["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/cases/{case}/assignments");
        assert_eq!(self.post(LEA, &path, &json!({"coordinator": "anna"})).await.status, 201);
        (sent.text("/id").to_owned(), case)
    }

    /// Introduces a case to a support family.
    pub(crate) async fn introduce(&self, case: &str, support: &str) -> crate::support::Answer {
        let body = json!({"supportFamily": support, "children": 1});
        self.post(ANNA, &format!("/v1/cases/{case}/pairings"), &body).await
    }

    /// Moves a pairing.
    pub(crate) async fn pairing_to(&self, pairing: &str, body: &Value) -> crate::support::Answer {
        self.post(ANNA, &format!("/v1/pairings/{pairing}/transitions"), body).await
    }

    /// A day some months and days from now, in Amsterdam.
    pub(crate) fn day(&self, months: i64, days: i64) -> String {
        let today = self.now().in_tz("Europe/Amsterdam").expect("a zone").date();
        let span = months.months().days(days);
        today.checked_add(span).expect("a day").to_string()
    }

    /// A pairing that was just introduced: referral, case, support family, pairing.
    pub(crate) async fn introduced(&self) -> [String; 4] {
        let support = self.available_support().await;
        let (referral, case) = self.searching_case().await;
        let answer = self.introduce(&case, &support).await;
        assert_eq!(answer.status, 201, "{}", answer.raw);
        [referral, case, support, answer.text("/id").to_owned()]
    }

    /// As [`Self::introduced`], on trial for two months.
    pub(crate) async fn on_trial(&self) -> [String; 4] {
        let four = self.introduced().await;
        let body = json!({"to": "trial", "until": self.day(2, 0)});
        let answer = self.pairing_to(&four[3], &body).await;
        assert_eq!(answer.status, 200, "{}", answer.raw);
        four
    }
}
