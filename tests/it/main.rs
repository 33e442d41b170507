//! One integration binary: a module per capability.

#[cfg(test)]
mod support;

#[cfg(test)]
mod access;
#[cfg(test)]
mod attack;
#[cfg(test)]
mod bsn;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod cells;
#[cfg(test)]
mod certificate;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod fault;
#[cfg(test)]
mod floors;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod insider;
#[cfg(test)]
mod inzage;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod leak;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod linkage;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod newcomer;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod pages_people;
#[cfg(test)]
mod pages_shut;
#[cfg(test)]
mod pages_work;
#[cfg(test)]
mod pairing;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod population;
#[cfg(test)]
mod process;
#[cfg(test)]
mod programme;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod race;
#[cfg(test)]
mod recover;
#[cfg(test)]
mod referral;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod sql;
#[cfg(test)]
mod states;
#[cfg(test)]
mod store;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod surface;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod terms;
#[cfg(test)]
mod timing;
#[cfg(test)]
mod tls;
