//! Pages: `?limit=` and an opaque `cursor`, sealed so that it tells nothing and fits one caller and one
//! route only.

use crate::flow::Gateway;
use crate::flow::cases::After;
use crate::http::problem::Problem;
use crate::policy::Subject;
use actix_web::HttpRequest;
use uuid::Uuid;

/// Most items on a page.
const MAX: i64 = 100;
/// Items on a page where the caller does not say.
const DEFAULT: i64 = 25;

/// What a list request asks.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) after: After,
    pub(crate) limit: i64,
    /// `assigned=false`.
    pub(crate) unassigned: bool,
    context: String,
}

impl Page {
    /// Reads the query of a list. `route` binds the cursor.
    ///
    /// # Errors
    /// [`Problem::Invalid`] for unknown parameters, a limit out of range, or a cursor of another
    /// caller, route or time.
    pub(crate) fn read(
        gateway: &Gateway,
        subject: &Subject,
        request: &HttpRequest,
        route: &str,
    ) -> Result<Self, Problem> {
        Self::read_with(gateway, subject, request, route, |_, _| Ok(false))
    }

    /// As [`Self::read`]; `other` takes the parameters this list has besides, and says whether one is.
    ///
    /// # Errors
    /// As [`Self::read`], and what `other` refuses.
    pub(crate) fn read_with(
        gateway: &Gateway,
        subject: &Subject,
        request: &HttpRequest,
        route: &str,
        mut other: impl FnMut(&str, &str) -> Result<bool, Problem>,
    ) -> Result<Self, Problem> {
        let context = format!("{}:{}:{route}", subject.partner, subject.person.as_str());
        let mut page =
            Self { after: (i64::MIN, Uuid::nil()), limit: DEFAULT, unassigned: false, context };
        for pair in request.query_string().split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("limit", text)) => page.limit = limit(text)?,
                Some(("cursor", text)) => page.after = page.open(gateway, text)?,
                Some(("assigned", "false")) => page.unassigned = true,
                Some(("assigned", "true")) => page.unassigned = false,
                Some((name, text)) if other(name, text)? => {}
                _ => return Err(bad("unknown-parameter", "holds documented parameters only")),
            }
        }
        Ok(page)
    }

    fn open(&self, gateway: &Gateway, text: &str) -> Result<After, Problem> {
        let not_ours = || bad("cursor", "must be a cursor of this list, given to this caller");
        let bytes = gateway.keyring.open_cursor(&self.context, text).or(Err(not_ours()))?;
        let (ms, id) = bytes.split_first_chunk::<8>().ok_or_else(not_ours)?;
        let id = Uuid::from_slice(id).or(Err(not_ours()))?;
        Ok((i64::from_be_bytes(*ms), id))
    }

    /// The cursor behind the last row of a full page.
    ///
    /// # Errors
    /// [`Problem::Internal`] when it cannot be sealed.
    pub(crate) fn next(
        &self,
        gateway: &Gateway,
        count: usize,
        last: Option<After>,
    ) -> Result<Option<String>, Problem> {
        let full = i64::try_from(count).is_ok_and(|count| count >= self.limit);
        let Some((ms, id)) = last.filter(|_| full) else {
            return Ok(None);
        };
        let bytes = [ms.to_be_bytes().as_slice(), id.as_bytes().as_slice()].concat();
        let sealed = gateway.keyring.seal_cursor(&gateway.entropy, &self.context, &bytes);
        sealed.map(Some).or(Err(Problem::Internal))
    }
}

fn limit(text: &str) -> Result<i64, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX).contains(limit));
    limit.ok_or_else(|| bad("limit", "must be a whole number from 1 to 100"))
}

fn bad(code: &'static str, rule: &str) -> Problem {
    Problem::invalid("", code, rule)
}
