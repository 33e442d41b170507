//! `words!`: a closed list of terms, with the one spelling each has on the wire and in a row.

/// Something was not one of the terms of a closed list. The term itself is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be one of the listed terms")]
pub struct NotATerm;

/// Defines an enum whose variants each have one spelling: `parse`, `as_str` and `ALL`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every term, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling on the wire and in a row.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// # Errors
            /// [`NotATerm`](crate::domain::words::NotATerm) for any other spelling.
            pub fn parse(text: &str) -> Result<Self, crate::domain::words::NotATerm> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(crate::domain::words::NotATerm),
                }
            }
        }
    };
}
pub(crate) use words;
