//! What all pages have in common: their frame, and how they are written.

use crate::domain::partner::Role;
use crate::http::problem::Problem;
use crate::portal::assets;
use crate::portal::edge;
use crate::portal::form::{Form, Kind};
use crate::portal::trail::Done;
use crate::portal::visit::Visit;
use crate::portal::words::{self, Lang};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

/// One link of the menu.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where it leads.
    pub path: &'static str,
    /// Its words.
    pub words: &'static str,
    /// Whether it is the page that is shown.
    pub here: bool,
}

/// The frame of a page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Language.
    pub lang: Lang,
    /// Title; never of a person.
    pub title: String,
    /// Whether something is wrong on the page: the title of the window begins with that.
    pub is_wrong: bool,
    /// Short name of the partner of who is signed in; empty where nobody is.
    pub partner: String,
    /// Roles of who is signed in.
    pub roles: String,
    /// Account of who is signed in.
    pub account: String,
    /// Menu.
    pub menu: Vec<Link>,
    /// For forms of the frame and of the page.
    pub csrf: String,
    /// Makes a form of this page repeatable.
    pub once: String,
    /// Path of the page; empty where it answers a form.
    pub path: String,
    /// The style sheet.
    pub style: String,
    /// What was done just now; empty where nothing was.
    pub done: String,
    /// How that is shown: `ok`, or `warning` where it was not done.
    pub done_as: &'static str,
}

impl Frame {
    /// The frame of a page with a title.
    #[must_use]
    pub fn of(visit: &Visit, title: (&str, &str)) -> Self {
        let subject = visit.subject();
        let roles: Vec<Role> = subject.map(|subject| subject.roles.clone()).unwrap_or_default();
        let role = |role: &Role| words::term(visit.lang, "role", role.as_str());
        Self {
            lang: visit.lang,
            title: visit.say(title.0, title.1).to_owned(),
            is_wrong: false,
            partner: subject
                .map(|subject| subject.partner_name.as_str().to_owned())
                .unwrap_or_default(),
            roles: roles.iter().map(role).collect::<Vec<_>>().join(", "),
            account: subject.map(|subject| subject.person.as_str().to_owned()).unwrap_or_default(),
            menu: menu(visit, &roles),
            csrf: visit.csrf.clone(),
            once: visit.once.clone(),
            // A path that a browser would take for another host is no place to link to.
            path: if visit.path.starts_with("//")
                || visit.path.contains('\\')
                || !visit.path.starts_with('/')
            {
                "/".to_owned()
            } else if visit.posted {
                String::new()
            } else {
                visit.path.clone()
            },
            style: assets::path("portal.css"),
            done: visit
                .done
                .map(|done| words::term(visit.lang, "done", done.as_str()))
                .unwrap_or_default(),
            done_as: if matches!(visit.done, Some(Done::Lost | Done::Spent)) {
                "warning"
            } else {
                "ok"
            },
        }
    }

    /// The same frame, saying in the title of the window that something is wrong.
    #[must_use]
    pub const fn wrong(mut self) -> Self {
        self.is_wrong = true;
        self
    }

    /// Language, as a template passes it on.
    #[must_use]
    pub const fn language(&self) -> Lang {
        self.lang
    }

    /// Dutch or English.
    #[must_use]
    pub fn say<'a>(&self, dutch: &'a str, english: &'a str) -> &'a str {
        self.lang.say(dutch, english)
    }

    /// A number with a decimal, as it is written in the language of the page.
    #[must_use]
    pub fn decimal(&self, number: &str) -> String {
        match self.lang {
            Lang::Nl => number.replace('.', ","),
            Lang::En => number.to_owned(),
        }
    }

    /// Says what is wrong, where there is no form to say it at.
    pub fn refuse(&mut self, problem: &Problem) {
        self.done = words::told(self.lang, problem).join(" ");
        self.done_as = "error";
    }

    /// The words of a term of a list.
    #[must_use]
    pub fn term(&self, list: &str, code: &str) -> String {
        words::term(self.lang, list, code)
    }
}

/// Where a role begins.
#[must_use]
pub fn home(role: Role) -> &'static str {
    match role {
        Role::Referrer => "/verwijzer",
        Role::CaseManager => "/verwijzer/plan",
        Role::Coordinator => "/coordinator",
        Role::Assigner => "/coordinator/toewijzen",
        Role::Municipality => "/gemeente",
        Role::PrivacyOfficer => "/toezicht",
        Role::Operator => "/beheer",
        Role::DataSubject => "/",
    }
}

/// What the paths of a role's pages begin with; `/` where it has none.
#[must_use]
pub fn root(role: Role) -> &'static str {
    match role {
        Role::Assigner => home(Role::Coordinator),
        Role::CaseManager => home(Role::Referrer),
        other => home(other),
    }
}

/// Path, Dutch, English.
type Entry = (&'static str, &'static str, &'static str);

const fn entries(role: Role) -> &'static [Entry] {
    match role {
        Role::Referrer => &[
            ("/verwijzer", "Mijn aanmeldingen", "My referrals"),
            ("/verwijzer/aanmelden", "Gezin aanmelden", "Refer a family"),
        ],
        Role::Coordinator => &[
            ("/coordinator", "Postvak", "Inbox"),
            ("/coordinator/steungezinnen", "Steungezinnen", "Support families"),
        ],
        Role::Assigner => &[("/coordinator/toewijzen", "Toewijzen", "Assign")],
        Role::Municipality => &[
            ("/gemeente", "Cijfers", "Figures"),
            ("/gemeente/uitleg", "Wat telt mee?", "What is counted?"),
        ],
        Role::PrivacyOfficer => &[
            ("/toezicht", "Logboek", "Ledger"),
            ("/toezicht/inzage", "Inzageverzoeken", "Access requests"),
            ("/toezicht/cijfers", "Vrijgegeven cijfers", "Disclosed figures"),
            ("/toezicht/controle", "Controle", "Checks"),
            ("/toezicht/regels", "Regels", "Rules"),
        ],
        Role::Operator => &[
            ("/beheer", "Stand", "State"),
            ("/beheer/cijfers", "Cijfers", "Figures"),
            ("/beheer/leveringen", "Leveringen", "Deliveries"),
        ],
        Role::CaseManager => &[("/verwijzer/plan", "Doelen van een plan", "Goals of a plan")],
        Role::DataSubject => &[],
    }
}

fn menu(visit: &Visit, roles: &[Role]) -> Vec<Link> {
    let all = roles.iter().flat_map(|role| entries(*role));
    let best = all
        .clone()
        .map(|(path, ..)| *path)
        .filter(|path| visit.path.starts_with(path))
        .max_by_key(|path| path.len());
    all.map(|(path, dutch, english)| Link {
        path,
        words: visit.lang.say(dutch, english),
        here: best == Some(*path),
    })
    .collect()
}

/// A row of a table: what it leads to, and its cells.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Where its first cell leads; empty where nowhere.
    pub path: String,
    /// Its cells, in words.
    pub cells: Vec<String>,
}

/// A page of the common kind: words, facts, a table, forms. What is empty is not shown.
#[derive(Clone, Debug, Template)]
#[template(path = "sheet.html")]
pub struct Sheet {
    /// Frame.
    pub frame: Frame,
    /// The page above.
    pub back: String,
    /// Sentences.
    pub told: Vec<String>,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// Ways to narrow the table: path, words, whether it is so now.
    pub filters: Vec<(String, String, bool)>,
    /// Heads of the columns.
    pub heads: Vec<String>,
    /// Rows.
    pub rows: Vec<Row>,
    /// What is said where there are no rows.
    pub empty: String,
    /// Path and words.
    pub links: Vec<(String, String)>,
    /// Forms.
    pub forms: Vec<Form>,
    /// Whether each form unfolds from its words.
    pub folded: bool,
}

impl Sheet {
    /// An empty page with a title.
    #[must_use]
    pub fn of(visit: &Visit, title: (&str, &str)) -> Self {
        Self {
            frame: Frame::of(visit, title),
            back: String::new(),
            told: Vec::new(),
            facts: Vec::new(),
            filters: Vec::new(),
            heads: Vec::new(),
            rows: Vec::new(),
            empty: String::new(),
            links: Vec::new(),
            forms: Vec::new(),
            folded: false,
        }
    }

    /// Adds a sentence.
    #[must_use]
    pub fn tell(mut self, dutch: &str, english: &str) -> Self {
        self.told.push(self.frame.say(dutch, english).to_owned());
        self
    }

    /// Adds a fact, where there is one.
    #[must_use]
    pub fn fact(mut self, name: (&str, &str), value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.facts.push((self.frame.say(name.0, name.1).to_owned(), value));
        }
        self
    }

    /// Names the columns.
    #[must_use]
    pub fn heads(mut self, heads: &[(&str, &str)]) -> Self {
        self.heads = heads.iter().map(|head| self.frame.say(head.0, head.1).to_owned()).collect();
        self
    }

    /// Says what is wrong with a form, where the page has it no more.
    pub fn refuse(&mut self, problem: &Problem) {
        if self.forms.iter().all(|form| form.errors.is_empty()) {
            self.frame.refuse(problem);
        }
    }

    /// Writes the page: 200, or 400 where a form of it is wrong.
    ///
    /// # Errors
    /// [`Problem::Internal`] when it cannot be written.
    pub fn show(mut self) -> Result<HttpResponse, Problem> {
        let wrong =
            self.frame.done_as == "error" || self.forms.iter().any(|form| !form.errors.is_empty());
        if wrong {
            self.frame = self.frame.wrong();
        }
        show(if wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK }, &self)
    }
}

/// A problem that is shown beside the form that met it.
///
/// # Errors
/// Any other, which has a page of its own.
pub fn aside(problem: Problem) -> Result<Problem, Problem> {
    match problem {
        Problem::Invalid(_)
        | Problem::ConsentRefused { .. }
        | Problem::StateConflict { .. }
        | Problem::Stale
        | Problem::KeyReused => Ok(problem),
        other => Err(other),
    }
}

/// What became of a form: nothing where it was done, or what is wrong, to be shown beside it.
///
/// # Errors
/// As [`aside`].
pub fn shown<T>(done: Result<T, Problem>) -> Result<Option<Problem>, Problem> {
    done.map_or_else(|problem| aside(problem).map(Some), |_| Ok(None))
}

/// The end of an id: enough to tell one from another on a page. Its beginning is the time in some.
#[must_use]
pub fn short(id: &str) -> String {
    id.get(id.len().saturating_sub(8)..).unwrap_or_default().to_owned()
}

/// Writes a page.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub fn show(status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
    let text = page.render().or(Err(Problem::Internal))?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(text))
}

/// How long who a family is stays on a screen, in seconds. `portal.css` has a rule for each minute of it.
pub const VISIBLE_S: i64 = 900;
/// The length of a page that tells it is a multiple of this: it says little about how much is told.
const STEP: usize = 16 * 1024;

/// Writes a page that tells who a family is. It leads back by itself: names do not stay on a screen that somebody left, a
/// limit that is what it is for (WCAG 2.2.1, essential).
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub fn show_names(
    status: StatusCode,
    page: &impl Template,
    back: &str,
) -> Result<HttpResponse, Problem> {
    let mut text = page.render().or(Err(Problem::Internal))?;
    let missing = text.len().next_multiple_of(STEP) - text.len();
    text.extend(std::iter::repeat_n(' ', missing));
    let mut response = HttpResponse::build(status);
    response.insert_header(("refresh", format!("{VISIBLE_S};url={back}")));
    Ok(response.content_type("text/html; charset=utf-8").body(text))
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    told: Vec<String>,
    back: &'static str,
}

/// The frame of a page that nobody asked for: it repeats nothing of what was asked, its path included.
fn unasked(visit: &Visit, title: (&str, &str)) -> Frame {
    Frame { path: String::new(), ..Frame::of(visit, title) }
}

/// The page for a form of a page that is too old, or not ours.
#[must_use]
pub fn too_old(visit: &Visit) -> HttpResponse {
    let role = visit.subject().and_then(|subject| subject.roles.first().copied());
    let page = ProblemPage {
        frame: unasked(visit, ("Deze pagina is te oud", "This page is too old")),
        told: vec![
            visit
                .say(
                    "Er is niets verstuurd. Open de pagina opnieuw en probeer het nog een keer.",
                    "Nothing was sent. Open the page again and try once more.",
                )
                .to_owned(),
        ],
        back: role.map_or("/", home),
    };
    show(StatusCode::FORBIDDEN, &page).unwrap_or_else(|_| HttpResponse::Forbidden().finish())
}

/// The page of a problem.
#[must_use]
pub fn problem(visit: &Visit, problem: &Problem) -> HttpResponse {
    let (title, told) = words::problem(visit.lang, problem);
    let role = visit.subject().and_then(|subject| subject.roles.first().copied());
    let page =
        ProblemPage { frame: unasked(visit, (&title, &title)), told, back: role.map_or("/", home) };
    let answer = problem.response("/");
    let mut shown = show(edge::status(problem), &page)
        .unwrap_or_else(|_| HttpResponse::InternalServerError().finish());
    for name in ["retry-after", "allow"] {
        for value in answer.headers().get_all(name) {
            let name = actix_web::http::header::HeaderName::from_static(name);
            shown.headers_mut().insert(name, value.clone());
        }
    }
    shown
}
