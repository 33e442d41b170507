//! Each act of a scenario as calls of those who would do it: referrers, the assigner, coordinators, the website.

use super::draw::Draw;
use super::people;
use super::programme::{Act, FamilyPlan, Plan, Programme};
use crate::cli::Failure;
use crate::cli::story::{Answer, Caller, Scene};
use crate::domain::age::date_in_amsterdam;
use jiff::ToSpan;
use serde_json::{Value, json};

const LEA: Caller = ("buurtgezinnen", "lea", "assigner");

/// What is known of a family while the scenario goes.
#[derive(Clone, Debug, Default)]
struct Known {
    case: String,
    pairing: String,
}

/// Who does what to whom.
pub(super) struct Stage<'p> {
    pub(super) scene: Scene,
    programmes: &'p [Programme],
    plan: &'p Plan,
    families: Vec<Known>,
    supports: Vec<String>,
    draw: Draw,
}

impl<'p> Stage<'p> {
    pub(super) fn of(
        scene: Scene,
        programmes: &'p [Programme],
        plan: &'p Plan,
        draw: Draw,
    ) -> Self {
        let families = vec![Known::default(); plan.families.len()];
        let supports = vec![String::new(); plan.supports.len()];
        Self { scene, programmes, plan, families, supports, draw }
    }

    /// Does one act.
    ///
    /// # Errors
    /// When an answer is not as it must be.
    pub(super) async fn act(&mut self, act: Act, id: usize) -> Result<(), Failure> {
        if matches!(act, Act::Register | Act::Screen | Act::Offer) {
            let place = self.plan.supports.get(id).copied().ok_or_else(lost)?;
            let programme = self.programmes.get(place).ok_or_else(lost)?;
            return self.support(act, id, programme).await;
        }
        let family = self.plan.families.get(id).ok_or_else(lost)?;
        let programme = self.programmes.get(family.programme).ok_or_else(lost)?;
        match act {
            Act::Refer => self.refer(id, family, programme).await,
            Act::Mismatch => self.mismatch(id, programme).await,
            Act::Introduce => {
                let pairing = self.introduce(id, family, programme).await?;
                self.families.get_mut(id).ok_or_else(lost)?.pairing = pairing;
                Ok(())
            }
            _ => self.go_on(act, id, programme).await,
        }
    }

    /// Support families come by the website, or by the coordinator who spoke with them.
    async fn support(&mut self, act: Act, id: usize, programme: &Programme) -> Result<(), Failure> {
        let coordinator = coordinator(programme);
        let today = date_in_amsterdam(self.scene.now()).to_string();
        let body = match act {
            Act::Register => {
                let body = people::support_family(programme, id, &mut self.draw);
                let by_website = self.draw.happens(600);
                let who = if by_website { website() } else { coordinator };
                let answer = self.post(who, "/v1/support-families", &body, 201).await?;
                answer.text("/id").clone_into(self.supports.get_mut(id).ok_or_else(lost)?);
                return Ok(());
            }
            Act::Screen => {
                json!({"to": "screening", "interviewedOn": today, "vogSeenOn": today, "parentingExperience": true})
            }
            _ => json!({"to": "available"}),
        };
        let support = self.supports.get(id).ok_or_else(lost)?;
        let path = format!("/v1/support-families/{support}/transitions");
        self.post(coordinator, &path, &body, 200).await.map(drop)
    }

    /// A family is referred; where no territory assigns by itself, lea hands the case out.
    async fn refer(
        &mut self,
        id: usize,
        family: &FamilyPlan,
        programme: &Programme,
    ) -> Result<(), Failure> {
        let now = self.scene.now();
        let body = people::referral(family, programme, id, now, &mut self.draw)?;
        let answer = self.post(referrer(family), "/v1/referrals", &body, 201).await?;
        let assigned = answer.text("/status") == "assigned";
        let (who, path) = if assigned {
            (coordinator(programme), "/v1/cases?limit=100")
        } else {
            (LEA, "/v1/cases?assigned=false&limit=100")
        };
        let case = self.last(who, path).await?;
        if !assigned {
            let path = format!("/v1/cases/{case}/assignments");
            let to = json!({"coordinator": programme.coordinator});
            self.post(LEA, &path, &to, 201).await?;
        }
        self.families.get_mut(id).ok_or_else(lost)?.case = case;
        Ok(())
    }

    /// Id of the last item of a list.
    async fn last(&self, who: Caller, path: &str) -> Result<String, Failure> {
        let mut last = None;
        let mut next = Some(path.to_owned());
        while let Some(path_now) = next {
            let page = self.scene.get(who, &path_now).await?;
            let items = page.body().get("items").and_then(Value::as_array);
            let item = items.and_then(|items| items.last()).and_then(|item| item.get("id"));
            last = item.and_then(Value::as_str).map(str::to_owned).or(last);
            let cursor = page.body().get("next").and_then(Value::as_str);
            next = cursor.map(|cursor| format!("{path}&cursor={cursor}"));
        }
        last.ok_or_else(|| Failure::new("scenario: an empty list"))
    }

    /// Introduces the best proposal of the same gemeente, or the best at all.
    async fn introduce(
        &self,
        id: usize,
        family: &FamilyPlan,
        programme: &Programme,
    ) -> Result<String, Failure> {
        let (who, case) = (coordinator(programme), &self.known(id)?.case);
        let proposals = self.scene.get(who, &format!("/v1/cases/{case}/proposals")).await?;
        let items = proposals.body().get("items").and_then(Value::as_array);
        let items = items.map(Vec::as_slice).unwrap_or_default();
        let near = |item: &&Value| {
            item.pointer("/supportFamily/municipality").and_then(Value::as_str)
                == Some(programme.municipality)
        };
        let best = items.iter().find(near).or(items.first());
        let best = best.and_then(|item| item.pointer("/supportFamily/id"));
        let best = best.ok_or_else(|| Failure::new("scenario: nobody can be proposed"))?;
        let children: usize = family.children.iter().sum();
        let body = json!({"supportFamily": best, "children": children});
        let answer = self.post(who, &format!("/v1/cases/{case}/pairings"), &body, 201).await?;
        Ok(answer.text("/id").to_owned())
    }

    /// An introduction that ends at once.
    async fn mismatch(&self, id: usize, programme: &Programme) -> Result<(), Failure> {
        let family = self.plan.families.get(id).ok_or_else(lost)?;
        let pairing = self.introduce(id, family, programme).await?;
        let path = format!("/v1/pairings/{pairing}/transitions");
        let body = json!({"to": "ended", "reason": "mismatch", "nextForm": "home"});
        self.post(coordinator(programme), &path, &body, 200).await.map(drop)
    }

    /// The steps of a case and its pairing.
    async fn go_on(&mut self, act: Act, id: usize, programme: &Programme) -> Result<(), Failure> {
        let (who, known) = (coordinator(programme), self.known(id)?.clone());
        let case = |verb: &str| format!("/v1/cases/{}/{verb}", known.case);
        let pairing = |verb: &str| format!("/v1/pairings/{}/{verb}", known.pairing);
        let (path, body, status) = match act {
            Act::Intake => {
                let reason = json!({"purpose": "intake", "reason": "Eerste gesprek plannen"});
                self.post(who, &case("identity-releases"), &reason, 201).await?;
                (case("transitions"), json!({"to": "intake"}), 200)
            }
            Act::Search => (case("transitions"), json!({"to": "searching"}), 200),
            Act::Trial => {
                let until = date_in_amsterdam(self.scene.now()).checked_add(33.days())?;
                (pairing("transitions"), json!({"to": "trial", "until": until.to_string()}), 200)
            }
            Act::Pair => (pairing("transitions"), json!({"to": "paired"}), 200),
            Act::Evaluate => (pairing("evaluations"), self.evaluation(), 201),
            _ => (case("transitions"), json!({"to": "closed"}), 200),
        };
        self.post(who, &path, &body, status).await.map(drop)
    }

    fn evaluation(&mut self) -> Value {
        let help = ["prevented", "reduced", "ended", "unchanged", "reduced"];
        let tenths = self.draw.between(70, 96);
        json!({
            "professionalHelp": self.draw.one(&help),
            "networkExtended": self.draw.happens(700),
            "socialContacts": if self.draw.happens(650) { "more" } else { "same" },
            "grade": format!("{}.{}", tenths / 10, tenths % 10),
            "placementAvoided": "not-applicable",
        })
    }

    fn known(&self, id: usize) -> Result<&Known, Failure> {
        self.families.get(id).ok_or_else(lost)
    }

    async fn post(
        &self,
        who: Caller,
        path: &str,
        body: &Value,
        status: u16,
    ) -> Result<Answer, Failure> {
        let answer = self.scene.post(who, path, body).await?;
        if answer.status() == status {
            Ok(answer)
        } else {
            Err(Failure::new(format!("scenario: {path}: {}", answer.brief())))
        }
    }
}

const fn coordinator(programme: &Programme) -> Caller {
    ("buurtgezinnen", programme.coordinator, "coordinator")
}

const fn website() -> Caller {
    ("website-buurtgezinnen", "website", "referrer")
}

/// Who refers in this capacity.
fn referrer(family: &FamilyPlan) -> Caller {
    match family.source {
        "wijkteam" => ("wijkteam-nijmegen", "wijkteam-1", "referrer"),
        "poh-j" => ("poh-j-nijmegen", "poh-1", "referrer"),
        "regieteam" => ("regieteam-nijmegen", "regisseur-1", "referrer"),
        "doorbraakcoach" => ("doorbraak-nijmegen", "coach-1", "referrer"),
        _ => website(),
    }
}

fn lost() -> Failure {
    Failure::new("scenario: the plan names what is not in it")
}
