//! The program; everything it does is in the library.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A referral is thousands of small texts, made on one thread and dropped on another: measured, a tenth
/// less CPU than with the C library's allocator (`docs/decisions/0009-fewer-steps.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    buurtpoort::cli::run().await
}
