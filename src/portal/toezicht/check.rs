//! `/toezicht/controle`: the whole ledger is calculated again.

use crate::cli::audit::check;
use crate::crypto::digest::hex;
use crate::flow::witness;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::policy::Allowed;
use crate::policy::action::ReadAuditConsistency;
use crate::portal::form::{Form, Kind};
use crate::portal::page::Sheet;
use crate::portal::visit::Visit;
use actix_web::HttpResponse;
use actix_web::web::Data;
use tokio::sync::Semaphore;

/// Held while the whole ledger is checked.
static CHECKING: Semaphore = Semaphore::const_new(1);

fn checking(visit: &Visit) -> Sheet {
    let mut sheet = Sheet::of(visit, ("Controle", "Checks")).tell(
        "Hier rekent Buurtpoort het hele logboek na: elke regel, elke hash, elke handtekening. Dat het klopt, kunt u ook zelf nagaan met het programma scripts/verify_ledger.py en een bewaard hoofd.",
        "Here Buurtpoort calculates the whole ledger again: every entry, hash and signature. You can check it yourself as well, with scripts/verify_ledger.py and a head that you kept.",
    );
    sheet.forms.push(Form::to(visit, "/toezicht/controle", ("Nu controleren", "Check now")).ask(
        Kind::Heading,
        "",
        ("Hele logboek", "Whole ledger"),
    ));
    sheet
}

/// `GET /toezicht/controle`.
///
/// # Errors
/// 403 for any other role.
pub async fn show_check(
    _: Allowed<ReadAuditConsistency>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let head = api.gateway.store.writer.latest();
    checking(&visit)
        .fact(("Regels in het logboek", "Entries in the ledger"), head.size.to_string())
        .fact(("Hoofd (SHA-256)", "Head (SHA-256)"), hex(&head.root))
        .show()
}

/// `POST /toezicht/controle`: checks the whole ledger now.
///
/// # Errors
/// As `GET /v1/audit/consistency`; what does not hold is a page.
pub async fn run_check(
    allowed: Allowed<ReadAuditConsistency>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    // It takes as long as the ledger is: one at a time.
    let _only = CHECKING.try_acquire().or(Err(Problem::TooManyRequests(30)))?;
    let gateway = &api.gateway;
    // One entry says that the ledger was read, as of its twin.
    let committed = witness::consistency(gateway, allowed, 1, None).await?.committed;
    let origin = committed.head().note.lines().next().unwrap_or_default().to_owned();
    let checked =
        check(&gateway.store.pool, &gateway.keyring, &origin).await.or(Err(Problem::Internal))?;
    let (dutch, english) = match &checked {
        Ok(_) => (
            "Het logboek klopt, van de eerste regel tot en met deze controle.",
            "The ledger holds, from its first entry up to this check.",
        ),
        Err(_) => (
            "Het logboek klopt niet. Bel de beheerder, en verander niets aan de database.",
            "The ledger does not hold. Call the operator, and change nothing in the database.",
        ),
    };
    let mut sheet = checking(&visit).fact(("Regels", "Entries"), committed.head().size.to_string());
    match checked {
        Ok(_) => visit.say(dutch, english).clone_into(&mut sheet.frame.done),
        Err(tampered) => {
            sheet = sheet.tell(dutch, english).fact(
                ("Waar het misgaat (Engels, voor de beheerder)", "Where it fails"),
                tampered.to_string(),
            );
        }
    }
    sheet.show()
}
