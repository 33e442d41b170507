//! The program; everything it does is in the library.

use std::process::ExitCode;

#[actix_web::main]
async fn main() -> ExitCode {
    buurtpoort::cli::run().await
}
