//! One integration binary: a module per capability.

#[cfg(test)]
mod support;

#[cfg(test)]
mod bsn;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod floors;
#[cfg(test)]
mod referral;
#[cfg(test)]
mod tls;
