//! Floor 4: pages for the people behind the systems, in Dutch with English, without JavaScript.
//!
//! A page asks through the same proof ([`Allowed`](crate::policy::Allowed)) and, where there is a twin in the API, by
//! calling the handler of that twin in this process ([`twin`]): a page can show nothing that the API would refuse, and
//! leaves the same entry in the ledger. One folder or file a role; what all pages share is beside this file.
//!
//! # Invariants
//! * Whoever asks is looked up on every request, by [`crate::flow::session`]; a form is read only after that, and only
//!   from our own pages ([`edge`]).
//! * Nothing of a person stands in a URL, a title or a cookie, and no page is kept by a browser.
//!
//! # Not here
//! Rules of consent and access, SQL, scripts.

pub mod assets;
pub mod beheer;
pub mod certificate;
pub mod consent;
pub mod coordinator;
pub mod door;
pub mod edge;
pub mod form;
pub mod gemeente;
pub mod kept;
pub mod page;
pub mod provider;
pub mod routes;
pub mod sign_in;
pub mod toezicht;
pub mod trail;
pub mod twin;
pub mod verwijzer;
pub mod visit;
pub mod words;
